//! Cedar: a policy for each statement, with the actions of a statement as an action group.
//!
//! An action group is how Cedar says "any of these actions", and a test for membership is one
//! look-up. The text of an ARN is in the context, because `like` compares attributes only.

use super::{Catalogue, Condition, Engine, Statement, context_of, is_pattern, read_policies};
use crate::workload::{Request, Workload};
use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid, Policy,
    PolicyId, PolicySet, Request as Question, RestrictedExpression,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;

struct Cedar {
    authorizer: Authorizer,
    entities: Entities,
    /// One set for every principal, or a set for each by its name.
    sets: Sets,
    addresses: HashSet<String>,
    questions: Vec<(String, Question)>,
}

enum Sets {
    Whole(Box<PolicySet>),
    Sliced(HashMap<String, PolicySet>),
}

/// Loads all policies as one set.
///
/// # Errors
///
/// When a policy cannot be said in Cedar.
pub fn load(workload: &Workload) -> Result<Box<dyn Engine>, String> {
    build(workload, false)
}

/// Loads a set for each principal, from which the host chooses.
///
/// # Errors
///
/// When a policy cannot be said in Cedar.
pub fn load_sliced(workload: &Workload) -> Result<Box<dyn Engine>, String> {
    build(workload, true)
}

fn build(workload: &Workload, sliced: bool) -> Result<Box<dyn Engine>, String> {
    let policies = read_policies(workload);
    let mut catalogue = Catalogue::new(workload, &policies);
    let required = required_keys(workload);
    let mut groups: HashMap<Vec<String>, usize> = HashMap::new();
    let mut parents: BTreeMap<String, HashSet<EntityUid>> = BTreeMap::new();
    let mut whole = PolicySet::new();
    let mut by_principal = HashMap::new();
    let mut count = 0_usize;
    for (principal, names) in &workload.attachments {
        let mut slice = PolicySet::new();
        let attached = names.iter().filter_map(|name| policies.get(name.as_str()));
        for statement in attached.flatten() {
            let actions = catalogue.resolve(statement);
            let action = if let [only] = &*actions {
                format!("action == Action::{only:?}")
            } else {
                let next = groups.len();
                let group = *groups.entry(actions.to_vec()).or_insert(next);
                if group == next {
                    for action in &*actions {
                        let group = identifier("Action", &format!("group {group}"));
                        parents.entry(action.clone()).or_default().insert(group);
                    }
                }
                format!("action in Action::\"group {group}\"")
            };
            let principal = if sliced {
                "principal".to_owned()
            } else {
                format!("principal == Principal::{principal:?}")
            };
            let text = policy(statement, &principal, &action, &required)?;
            let policy = Policy::parse(Some(PolicyId::new(count.to_string())), &text)
                .map_err(|error| format!("{text}: {error}"))?;
            count += 1;
            let set = if sliced { &mut slice } else { &mut whole };
            set.add(policy).map_err(|error| error.to_string())?;
        }
        if sliced {
            by_principal.insert(principal.clone(), slice);
        }
    }
    let actions = parents
        .into_iter()
        .map(|(action, groups)| Entity::new_no_attrs(identifier("Action", &action), groups));
    let conditions = policies
        .values()
        .flatten()
        .flat_map(|statement| &statement.conditions);
    Ok(Box::new(Cedar {
        authorizer: Authorizer::new(),
        entities: Entities::from_entities(actions, None).map_err(|error| error.to_string())?,
        sets: if sliced {
            Sets::Sliced(by_principal)
        } else {
            Sets::Whole(Box::new(whole))
        },
        addresses: conditions
            .filter(|condition| !condition.within.is_empty())
            .map(|condition| condition.key.clone())
            .collect(),
        questions: Vec::new(),
    }))
}

impl Engine for Cedar {
    fn prepare(&mut self, request: &Request) {
        let context = context_of(request).map(|(key, value)| {
            let value = if self.addresses.contains(&key) {
                RestrictedExpression::new_ip(value)
            } else {
                RestrictedExpression::new_string(value.to_owned())
            };
            (key, value)
        });
        let arn = RestrictedExpression::new_string(request.resource.clone());
        let context = Context::from_pairs(context.chain([("arn".to_owned(), arn)]))
            .expect("keys are distinct and addresses are valid");
        let question = Question::new(
            identifier("Principal", &request.principal),
            identifier("Action", &request.action.to_ascii_lowercase()),
            identifier("Resource", &request.resource),
            context,
            None,
        );
        let question = question.expect("without a schema every request is valid");
        self.questions.push((request.principal.clone(), question));
    }

    fn decide(&mut self, number: usize) -> bool {
        let (principal, question) = &self.questions[number];
        let set = match &self.sets {
            Sets::Whole(set) => Some(&**set),
            Sets::Sliced(sets) => sets.get(principal),
        };
        set.is_some_and(|set| {
            let answer = self.authorizer.is_authorized(question, set, &self.entities);
            answer.decision() == Decision::Allow
        })
    }
}

fn identifier(kind: &str, name: &str) -> EntityUid {
    let kind: EntityTypeName = kind.parse().expect("a name is a type");
    EntityUid::from_type_name_and_id(kind, EntityId::new(name))
}

/// The keys that every request has, whose presence need not be tested.
fn required_keys(workload: &Workload) -> BTreeSet<String> {
    let keys = |request| {
        context_of(request)
            .map(|(key, _)| key)
            .collect::<BTreeSet<_>>()
    };
    let all = workload.requests.iter().map(keys);
    all.reduce(|common, keys| &common & &keys)
        .unwrap_or_default()
}

/// The text of the policy for a statement.
fn policy(
    statement: &Statement,
    principal: &str,
    action: &str,
    required: &BTreeSet<String>,
) -> Result<String, String> {
    let effect = if statement.allow { "permit" } else { "forbid" };
    let mut tests = Vec::new();
    let mut resource = "resource".to_owned();
    match statement.resources.as_slice() {
        [only] if !statement.except_resources && !is_pattern(only) => {
            resource = format!("resource == Resource::{only:?}");
        }
        all if all.iter().any(|pattern| pattern == "*") && !statement.except_resources => {}
        all => {
            let each = all.iter().map(|pattern| compare("context.arn", pattern));
            let any = each.collect::<Result<Vec<_>, _>>()?.join(" || ");
            tests.push(if statement.except_resources {
                format!("!({any})")
            } else {
                any
            });
        }
    }
    for condition in &statement.conditions {
        tests.push(test(condition, required)?);
    }
    let mut text = format!("{effect}({principal}, {action}, {resource})");
    if !tests.is_empty() {
        write!(text, " when {{ ({}) }}", tests.join(") && ("))
            .map_err(|error| error.to_string())?;
    }
    Ok(text + ";")
}

/// The expression for a condition.
fn test(condition: &Condition, required: &BTreeSet<String>) -> Result<String, String> {
    let value = format!("context[{:?}]", condition.key);
    let mut any = match condition.equals.as_slice() {
        [] => Vec::new(),
        [only] => vec![format!("{value} == {only:?}")],
        several => vec![format!("{several:?}.contains({value})")],
    };
    for pattern in &condition.like {
        any.push(compare(&value, pattern)?);
    }
    let ranges = condition.within.iter();
    any.extend(ranges.map(|range| format!("{value}.isInRange(ip({range:?}))")));
    let others = condition.same.iter();
    any.extend(others.map(|key| format!("context has {key:?} && {value} == context[{key:?}]")));
    let any = if any.is_empty() {
        "false".to_owned()
    } else {
        any.join(" || ")
    };
    let any = if condition.negated {
        format!("!({any})")
    } else {
        format!("({any})")
    };
    Ok(
        match (required.contains(&condition.key), condition.missing) {
            (true, _) => any,
            (false, true) => format!("!(context has {:?}) || {any}", condition.key),
            (false, false) => format!("context has {:?} && {any}", condition.key),
        },
    )
}

/// The comparison of a value with a pattern. Cedar's patterns have `*` only.
fn compare(value: &str, pattern: &str) -> Result<String, String> {
    match (pattern.contains('?'), pattern.contains('*')) {
        (true, _) => Err(format!(
            "{pattern}: Cedar has no wildcard for one character"
        )),
        (false, true) => Ok(format!("{value} like {pattern:?}")),
        (false, false) => Ok(format!("{value} == {pattern:?}")),
    }
}
