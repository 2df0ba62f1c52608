//! What an engine is to the benchmark, the engines there are, and what their translations of
//! IAM policies have in common.

pub mod casbin;
pub mod cedar;
pub mod iam_rs;
pub mod regorus;

use crate::workload::{Request, Workload, statements, texts};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

/// An engine, loaded with the policies of a workload.
pub trait Engine {
    /// Puts a question into the engine's own form; this is not measured.
    fn prepare(&mut self, request: &Request);
    /// Answers the prepared question with this number: whether it is allowed.
    fn decide(&mut self, number: usize) -> bool;
}

/// Loads an engine, or says why the workload cannot be said in its language.
pub type Load = fn(&Workload) -> Result<Box<dyn Engine>, String>;

/// Every engine by name.
pub const ENGINES: &[(&str, Load)] = &[
    ("cedar-policy", cedar::load),
    ("cedar-policy, sliced", cedar::load_sliced),
    ("regorus", regorus::load),
    ("casbin", casbin::load),
    ("iam-rs", iam_rs::load),
];

/// A statement, as the translations read it.
struct Statement {
    /// Whether it allows; otherwise it denies.
    allow: bool,
    /// Patterns of actions in lower case, because actions are compared without regard to case.
    actions: Vec<String>,
    /// Whether the actions are those it is not about.
    except_actions: bool,
    /// Patterns of resources.
    resources: Vec<String>,
    /// Whether the resources are those it is not about.
    except_resources: bool,
    /// What else must hold.
    conditions: Vec<Condition>,
}

/// A condition on one key: that its value is any of these.
struct Condition {
    /// The key in lower case, because keys are compared without regard to case.
    key: String,
    /// Whether the value must be none of these instead.
    negated: bool,
    /// Whether it holds for a request without the key.
    missing: bool,
    /// Values that are equal.
    equals: Vec<String>,
    /// Patterns that match.
    like: Vec<String>,
    /// Ranges of addresses that contain the value.
    within: Vec<String>,
    /// Other keys that have the same value.
    same: Vec<String>,
}

impl Statement {
    fn read(value: &Value) -> Self {
        let either = |name: &str, opposite: &str| {
            let except = value.get(name).is_none();
            (texts(&value[if except { opposite } else { name }]), except)
        };
        let (actions, except_actions) = either("Action", "NotAction");
        let (resources, except_resources) = either("Resource", "NotResource");
        let conditions = value["Condition"].as_object().into_iter().flatten();
        Self {
            allow: value["Effect"] == "Allow",
            actions: actions
                .iter()
                .map(|action| action.to_ascii_lowercase())
                .collect(),
            except_actions,
            resources: resources
                .iter()
                .map(|resource| without_variables(resource))
                .collect(),
            except_resources,
            conditions: conditions
                .flat_map(|(operator, keys)| {
                    let keys = keys.as_object().into_iter().flatten();
                    keys.filter_map(move |(key, values)| Condition::read(operator, key, values))
                })
                .collect(),
        }
    }
}

impl Condition {
    /// Reads a condition, unless it is one that is left out of every translation: one with another
    /// operator, or one that compares with a text of which only a part is a variable. Leaving it
    /// out favours the engine that then has less to do.
    fn read(operator: &str, key: &str, values: &Value) -> Option<Self> {
        let (quantifier, operator) = operator.split_once(':').unwrap_or(("", operator));
        let (operator, if_exists) = operator
            .strip_suffix("IfExists")
            .map_or((operator, false), |name| (name, true));
        let negated = operator.contains("Not");
        let mut condition = Self {
            key: key.to_ascii_lowercase(),
            negated,
            missing: if_exists
                || quantifier == "ForAllValues"
                || negated && quantifier != "ForAnyValue",
            equals: Vec::new(),
            like: Vec::new(),
            within: Vec::new(),
            same: Vec::new(),
        };
        let values: Vec<String> = match values {
            Value::Bool(value) => vec![value.to_string()],
            other => texts(other).into_iter().map(str::to_owned).collect(),
        };
        if operator == "Null" {
            // The key must be absent, or must be there with any value: with none of no values.
            condition.missing = values.iter().any(|value| value == "true");
            condition.negated = !condition.missing;
            return Some(condition);
        }
        for value in values {
            let variable = value
                .strip_prefix("${")
                .and_then(|rest| rest.strip_suffix('}'));
            let list = match (operator, variable) {
                (_, Some(name)) if !name.contains("${") => {
                    condition.same.push(name.to_ascii_lowercase());
                    continue;
                }
                _ if value.contains("${") => return None,
                ("StringEquals" | "StringNotEquals" | "Bool", _) => &mut condition.equals,
                ("StringLike" | "StringNotLike" | "ArnLike" | "ArnEquals", _) => {
                    if is_pattern(&value) {
                        &mut condition.like
                    } else {
                        &mut condition.equals
                    }
                }
                ("IpAddress" | "NotIpAddress", _) => &mut condition.within,
                _ => return None,
            };
            list.push(value);
        }
        Some(condition)
    }
}

/// The statements of each policy by the policy's name.
fn read_policies(workload: &Workload) -> BTreeMap<&str, Vec<Statement>> {
    let policies = workload.policies.iter();
    policies
        .map(|(name, document)| {
            (
                name.as_str(),
                statements(document)
                    .into_iter()
                    .map(Statement::read)
                    .collect(),
            )
        })
        .collect()
}

/// The context of a request with its keys in lower case. Of several values the first stands for all,
/// for not every engine has lists.
fn context_of(request: &Request) -> impl Iterator<Item = (String, &str)> {
    request
        .context
        .iter()
        .filter_map(|(key, values)| Some((key.to_ascii_lowercase(), values.first()?.as_str())))
}

/// The names of all actions that a workload speaks of, with which patterns of actions are resolved
/// beforehand for the engines that are fastest with names.
struct Catalogue {
    names: BTreeSet<String>,
    resolved: HashMap<(Vec<String>, bool), Rc<[String]>>,
}

impl Catalogue {
    fn new(workload: &Workload, policies: &BTreeMap<&str, Vec<Statement>>) -> Self {
        let named = policies
            .values()
            .flatten()
            .flat_map(|statement| &statement.actions);
        let named = named.filter(|action| !is_pattern(action)).cloned();
        let asked = workload
            .requests
            .iter()
            .map(|request| request.action.to_ascii_lowercase());
        Self {
            names: named.chain(asked).collect(),
            resolved: HashMap::new(),
        }
    }

    /// The names of the actions that a statement is about.
    fn resolve(&mut self, statement: &Statement) -> Rc<[String]> {
        let question = (statement.actions.clone(), statement.except_actions);
        let names = &self.names;
        Rc::clone(
            self.resolved
                .entry(question)
                .or_insert_with_key(|(patterns, except)| {
                    let exact: BTreeSet<_> =
                        patterns.iter().filter(|one| !is_pattern(one)).collect();
                    let patterns: Vec<_> = patterns.iter().filter(|one| is_pattern(one)).collect();
                    let about = |name: &&String| {
                        let matched = |pattern: &&String| glob(pattern.as_bytes(), name.as_bytes());
                        *except != (exact.contains(name) || patterns.iter().any(matched))
                    };
                    names.iter().filter(about).cloned().collect()
                }),
        )
    }
}

/// Whether a text has wildcards.
fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// A pattern with each variable made a wildcard, because no other language than IAM's has variables
/// in patterns. The wider pattern takes no more time to match.
fn without_variables(pattern: &str) -> String {
    let mut parts = pattern.split("${");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push('*');
        text.push_str(part.split_once('}').map_or("", |(_, rest)| rest));
    }
    text
}

/// Whether a text matches a pattern in which `*` is any text and `?` is any one byte.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut position) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while position < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, position));
                at += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[position] => {
                at += 1;
                position += 1;
            }
            _ => {
                // Let the last star take one byte more.
                let Some((star_at, taken)) = star else {
                    return false;
                };
                star = Some((star_at, taken + 1));
                at = star_at + 1;
                position = taken + 1;
            }
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}
