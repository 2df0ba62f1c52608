use super::*;
use crate::engine::Document;
use crate::model::{Action, Resource, ResourceName};
use crate::policy::{Findings, Keys, Policy, PolicyKind, json};

fn view(statements: &str) -> View {
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
    let node = json::parse(&text).unwrap();
    let mut findings = Findings::new("test");
    let keys = Keys::of_closed_world();
    let policy = Policy::parse(&node, PolicyKind::Identity, &keys, &mut findings).unwrap();
    View::scanning([Arc::new(Document::compile("test", &policy))])
}

const OF_TEAM: &str = r#"{"Effect":"Allow","Action":"orders:Get","Resource":"*","Condition":{"StringEquals":{"a:team":"red"}}}"#;
const USER: &str = "arn:aws:iam::210000000001:user/ana";
const ORDER: &str = "arn:aws:orders:eu-1:210000000001:order/7";

struct Asked<'a> {
    user: &'a str,
    action: &'a str,
    resource: &'a str,
    context: Context,
}

impl Default for Asked<'_> {
    fn default() -> Self {
        Self {
            user: USER,
            action: "orders:Get",
            resource: ORDER,
            context: Context::new(),
        }
    }
}

impl Asked<'_> {
    fn of_team(values: &[&str]) -> Self {
        let mut asked = Self::default();
        let values = values.iter().map(|value| (*value).into());
        asked.context.set_all("a:team", values);
        asked
    }

    /// The decision, which is the one without cache, and how many are kept afterwards.
    fn ask(&self, cache: &DecisionCache, view: &View) -> (bool, u64) {
        let principal = Principal::of_arn(self.user, None).unwrap();
        let action = Action::parse(self.action).unwrap();
        let resource = Resource {
            name: ResourceName::parse(self.resource).unwrap(),
            owner: principal.account(),
            delegation: Delegation::Default,
        };
        let request = Request {
            principal: &principal,
            credential: Credential::Ordinary,
            forwarded: false,
            action: &action,
            resource: &resource,
            context: &self.context,
        };
        let layers = Layers {
            identity: Some(view),
            ..Layers::default()
        };
        let decision = cache.judge(&layers, &request, Timestamp::from_seconds(0));
        assert_eq!(decision, judge(&layers, &request));
        cache.entries.settle();
        (decision.is_allow(), cache.len())
    }
}

#[test]
fn what_is_read_and_nothing_else_makes_another_entry() {
    let (cache, view) = (DecisionCache::new(0), view(OF_TEAM));
    assert_eq!(Asked::of_team(&["red"]).ask(&cache, &view), (true, 1));
    assert_eq!(Asked::of_team(&["red"]).ask(&cache, &view), (true, 1));
    let mut other = Asked::of_team(&["red"]);
    other.context.set("a:other", "x");
    assert_eq!(other.ask(&cache, &view), (true, 1), "CACHE-2");
    assert_eq!(
        Asked::of_team(&["blue"]).ask(&cache, &view),
        (false, 2),
        "CACHE-11"
    );
    assert_eq!(
        Asked::of_team(&[]).ask(&cache, &view),
        (false, 3),
        "CACHE-3"
    );
    assert_eq!(
        Asked::of_team(&[""]).ask(&cache, &view),
        (false, 4),
        "CACHE-3"
    );
    let mut unknown = Asked::default();
    unknown.context.set_unknown("a:team");
    assert_eq!(unknown.ask(&cache, &view), (false, 4), "CACHE-10");
}

#[test]
fn keys_are_compared_whole() {
    let (cache, view) = (DecisionCache::new(0), view(OF_TEAM));
    // Joined by any separator, some of these would be one.
    let lists: [&[&str]; 6] = [
        &["a", "b"],
        &["a\0b"],
        &["ab"],
        &["", "ab"],
        &["ab", ""],
        &["a,b"],
    ];
    for (number, values) in (1..).zip(lists) {
        let (_, kept) = Asked::of_team(values).ask(&cache, &view);
        assert_eq!(kept, number, "CACHE-13: {values:?}");
    }
}

#[test]
fn who_asks_for_what_by_which_documents_makes_another_entry() {
    let cache = DecisionCache::new(0);
    let (one, other) = (view(OF_TEAM), view(OF_TEAM));
    let asked = Asked::of_team(&["red"]);
    assert_eq!(asked.ask(&cache, &one).1, 1);
    assert_eq!(asked.ask(&cache, &other).1, 2, "CACHE-9: another revision");
    let ben = Asked {
        user: "arn:aws:iam::210000000001:user/ben",
        ..Asked::of_team(&["red"])
    };
    assert_eq!(ben.ask(&cache, &one).1, 3, "CACHE-4");
    let put = Asked {
        action: "orders:Put",
        ..Asked::of_team(&["red"])
    };
    assert_eq!(put.ask(&cache, &one).1, 4, "CACHE-4");
    let all = Asked {
        resource: "*",
        ..Asked::of_team(&["red"])
    };
    assert_eq!(all.ask(&cache, &one).1, 5, "CACHE-4");
}

#[test]
fn what_is_cheap_is_not_kept() {
    let cache = DecisionCache::default();
    assert_eq!(
        Asked::of_team(&["red"]).ask(&cache, &view(OF_TEAM)),
        (true, 0)
    );
}

#[test]
fn a_decision_holds_until_the_next_second_at_which_a_comparison_changes() {
    let compared = |instants: &[i64]| Clock::Compared(instants.into());
    let at = |clocks: &[Clock], second| holds(clocks.iter(), second);
    assert_eq!(at(&[], 5), Some((i64::MIN, i64::MAX)));
    assert_eq!(
        at(&[compared(&[10, 20])], 5),
        Some((i64::MIN, 10)),
        "CACHE-7"
    );
    assert_eq!(at(&[compared(&[10, 20])], 10), Some((10, 11)), "CACHE-7");
    assert_eq!(at(&[compared(&[10, 20])], 11), Some((11, 20)), "CACHE-7");
    assert_eq!(at(&[compared(&[10]), compared(&[12])], 11), Some((11, 12)));
    assert_eq!(at(&[compared(&[10]), Clock::Read], 11), None, "CACHE-7");
}
