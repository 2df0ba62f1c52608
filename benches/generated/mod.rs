//! Bundles of any size, made from a seed.
//!
//! The mix of statements: a third literal actions on one resource, a quarter `verb*` on a prefix,
//! then lists of actions on a prefix, whole services with a wildcard in the region, literal actions
//! under a condition, denials, and statements on everything under a tag condition.

use sidegate::loader::source::{File, Files};
use std::fmt::Write as _;

const SERVICES: [&str; 8] = [
    "orders", "stock", "billing", "media", "search", "mail", "ledger", "jobs",
];
const VERBS: [&str; 6] = ["Get", "List", "Put", "Delete", "Update", "Tag"];
const NOUNS: [&str; 6] = ["Item", "Batch", "Report", "Page", "Queue", "Key"];
const PER_DOCUMENT: usize = 10;

/// Chance from a seed: the numbers of Knuth's MMIX.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    /// An action such as `orders:GetItem`, and the resource that goes with it.
    pub(crate) fn question(&mut self, serials: usize) -> (String, String) {
        let service = self.pick(&SERVICES);
        let action = format!("{service}:{}{}", self.pick(&VERBS), self.pick(&NOUNS));
        let resource = format!(
            "arn:aws:{service}:eu-1:210000000001:item/{}/part",
            self.below(serials)
        );
        (action, resource)
    }
}

/// A bundle with one user, `ana`, who has `statements` statements in inline policies.
pub(crate) fn bundle(statements: usize, seed: u64) -> Files {
    let mut chance = Chance::new(seed);
    let mut text = String::from(
        "apiVersion: sidegate.dev/v1alpha1\nkind: IamUser\nmetadata: {name: ana}\n\
         spec:\n  account: \"210000000001\"\n  tags: {team: red}\n  inlinePolicies:\n",
    );
    for number in 0..statements {
        if number % PER_DOCUMENT == 0 {
            let document = number / PER_DOCUMENT;
            let _ = write!(
                text,
                "    p{document}:\n      Version: \"2012-10-17\"\n      Statement:\n"
            );
        }
        let _ = writeln!(text, "        - {}", statement(&mut chance, statements));
    }
    Files::new(vec![File {
        path: "ana.yaml".into(),
        bytes: text.into_bytes(),
    }])
}

fn statement(chance: &mut Chance, serials: usize) -> String {
    let service = chance.pick(&SERVICES);
    let (verb, noun) = (chance.pick(&VERBS), chance.pick(&NOUNS));
    let serial = chance.below(serials.max(10));
    let arn = format!("arn:aws:{service}:eu-1:210000000001:item/{serial}");
    match chance.below(100) {
        0..34 => format!(
            "{{Effect: Allow, Action: \"{service}:{verb}{noun}\", Resource: \"{arn}/part\"}}"
        ),
        34..62 => {
            format!("{{Effect: Allow, Action: \"{service}:{verb}*\", Resource: \"{arn}*\"}}")
        }
        62..77 => format!(
            "{{Effect: Allow, Action: [\"{service}:{verb}Item\", \"{service}:{verb}Page\"], Resource: \"{arn}*\"}}"
        ),
        77..85 => format!(
            "{{Effect: Allow, Action: \"{service}:*\", Resource: \"arn:aws:{service}:*:210000000001:item/{serial}\"}}"
        ),
        85..93 => format!(
            "{{Effect: Allow, Action: \"{service}:{verb}{noun}\", Resource: \"{arn}*\", \
             Condition: {{IpAddress: {{\"aws:SourceIp\": \"192.0.2.0/24\"}}}}}}"
        ),
        93..98 => {
            format!("{{Effect: Deny, Action: \"{service}:{verb}*\", Resource: \"{arn}*\"}}")
        }
        _ => format!(
            "{{Effect: Allow, Action: \"{service}:{verb}{noun}\", Resource: \"*\", \
             Condition: {{StringEquals: {{\"aws:PrincipalTag/team\": blue}}}}}}"
        ),
    }
}
