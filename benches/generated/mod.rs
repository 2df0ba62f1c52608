//! Bundles of any size, made from a seed.
//!
//! The mix of statements: a third literal actions on one resource, a quarter `verb*` on a prefix,
//! then lists of actions on a prefix, whole services with a wildcard in the region, literal actions
//! under a condition, denials, and statements on everything under a tag condition.

#![expect(dead_code, reason = "each bench uses a part")]

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

const TEAMS: usize = 46;
const APPS: usize = 56;
const STAGES: [&str; 3] = ["dev", "stage", "prod"];
const PER_LARGE_DOCUMENT: usize = 100;

/// A name that no other statement has, such as `team7-app30-dev-00012`.
fn name(chance: &mut Chance, serial: usize) -> String {
    let (team, app) = (chance.below(TEAMS), chance.below(APPS));
    format!("team{team}-app{app}-{}-{serial:05}", chance.pick(&STAGES))
}

/// A large set on one user: managed policies of a hundred statements each, mixed as in the
/// workloads that engines are compared by, and questions of which half are about a resource that
/// some statement allows.
pub(crate) fn large(statements: usize, seed: u64) -> (Files, Vec<(String, String)>) {
    let mut chance = Chance::new(seed);
    let mut files = Vec::new();
    let mut questions = Vec::new();
    let mut attached = Vec::new();
    for document in 0..statements.div_ceil(PER_LARGE_DOCUMENT) {
        let first = document * PER_LARGE_DOCUMENT;
        let mut text = String::new();
        for serial in first..statements.min(first + PER_LARGE_DOCUMENT) {
            let name = name(&mut chance, serial);
            if serial > first {
                text.push(',');
            }
            text.push_str(&mixed(&mut chance, &name));
            if statements <= 2_000 || serial.is_multiple_of(statements / 2_000) {
                questions.push(asked(&mut chance, &name));
            }
        }
        files.push(File {
            path: format!("p{document}.json"),
            bytes: policy(document, &text).into_bytes(),
        });
        attached.push(format!("\"p{document}\""));
    }
    let user = format!(
        r#"{{"apiVersion":"sidegate.dev/v1alpha1","kind":"IamUser","metadata":{{"name":"ana"}},"spec":{{"account":"210000000001","attachedPolicies":[{}]}}}}"#,
        attached.join(",")
    );
    files.push(File {
        path: "ana.json".into(),
        bytes: user.into_bytes(),
    });
    (Files::new(files), questions)
}

/// The managed policy with this number.
pub(crate) fn policy(number: usize, statements: &str) -> String {
    format!(
        r#"{{"apiVersion":"sidegate.dev/v1alpha1","kind":"IamPolicy","metadata":{{"name":"p{number}"}},"spec":{{"account":"210000000001","document":{{"Version":"2012-10-17","Statement":[{statements}]}}}}}}"#
    )
}

fn asked(chance: &mut Chance, name: &str) -> (String, String) {
    let service = chance.pick(&SERVICES);
    let action = format!("{service}:{}{}", chance.pick(&VERBS), chance.pick(&NOUNS));
    // Half of them are misses, and half of those near ones.
    let tail = match chance.below(4) {
        0 => format!("{name}x"),
        1 => "elsewhere".to_owned(),
        _ => format!("{name}-7"),
    };
    let resource = format!("arn:aws:{service}:eu-1:210000000001:item/{tail}");
    (action, resource)
}

fn mixed(chance: &mut Chance, name: &str) -> String {
    let service = chance.pick(&SERVICES);
    let (verb, noun) = (chance.pick(&VERBS), chance.pick(&NOUNS));
    let other = chance.pick(&NOUNS);
    let arn =
        |region: &str, tail: &str| format!("arn:aws:{service}:{region}:210000000001:item/{tail}");
    let literal = format!(r#"["{service}:{verb}{noun}","{service}:{verb}{other}"]"#);
    let whole = |effect: &str, actions: &str, resource: &str, condition: &str| {
        format!(r#"{{"Effect":"{effect}","Action":{actions},"Resource":"{resource}"{condition}}}"#)
    };
    let verbs = format!(r#""{service}:{verb}*""#);
    let prefix = arn("eu-1", &format!("{name}-*"));
    match chance.below(100) {
        0..30 => whole("Allow", &literal, &arn("eu-1", &format!("{name}-7")), ""),
        30..58 => whole("Allow", &verbs, &prefix, ""),
        58..73 => whole("Allow", &literal, &prefix, ""),
        73..81 => whole(
            "Allow",
            &format!(r#""{service}:*""#),
            &arn("*", &format!("{name}-*/shared")),
            "",
        ),
        81..83 => whole("Allow", &literal, &arn("*", &format!("*-{name}/*")), ""),
        83..93 => whole(
            "Allow",
            &literal,
            &prefix,
            r#","Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}"#,
        ),
        93..98 => whole("Deny", &verbs, &prefix, ""),
        _ => whole(
            "Allow",
            &literal,
            "*",
            &format!(r#","Condition":{{"StringEquals":{{"aws:PrincipalTag/team":"{name}"}}}}"#),
        ),
    }
}
