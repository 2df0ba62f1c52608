//! Regorus: policies as data and a few rules of Rego over them, run by its virtual machine.
//!
//! The data is keyed by effect, principal and action, and by the resource where it is exact, so that
//! the rules look up what they can and scan only patterns. Patterns with a star at the end are
//! compared as prefixes; others are regular expressions, which the engine keeps compiled, tried only
//! where the text before the first wildcard is right.

use super::{Catalogue, Condition, Engine, context_of, is_pattern, read_policies};
use crate::workload::{Request, Workload};
use ::regorus::languages::rego::compiler::Compiler;
use ::regorus::rvm::vm::RegoVM;
use ::regorus::{Rc, Value};
use serde_json::{Map, Value as Json, json};

const RULES: &str = r"
package iam

import rego.v1

default allow := false

allow if {
    matches(data.granted.allow[input.principal][input.action])
    not denied
}

denied if matches(data.granted.deny[input.principal][input.action])

matches(entry) if {
    some conditions in entry.exact[input.resource]
    holds(conditions)
}

matches(entry) if {
    some conditions in entry.every
    holds(conditions)
}

matches(entry) if {
    some item in entry.prefix
    startswith(input.resource, item.prefix)
    holds(item.conditions)
}

matches(entry) if {
    some item in entry.pattern
    startswith(input.resource, item.prefix)
    regex.match(item.pattern, input.resource)
    holds(item.conditions)
}

matches(entry) if {
    some item in entry.outside
    not regex.match(item.pattern, input.resource)
    holds(item.conditions)
}

holds(conditions) if {
    every condition in conditions { met(condition) }
}

met(condition) if {
    not condition.negated
    compares(condition, input.context[condition.key])
}

met(condition) if {
    condition.negated
    input.context[condition.key]
    not compares(condition, input.context[condition.key])
}

met(condition) if {
    condition.missing
    not input.context[condition.key]
}

compares(condition, value) if value in condition.equals

compares(condition, value) if {
    some range in condition.within
    net.cidr_contains(range, value)
}

compares(condition, value) if {
    some pattern in condition.like
    regex.match(pattern, value)
}

compares(condition, value) if {
    some key in condition.same
    value == input.context[key]
}
";

const ENTRY: &str = "data.iam.allow";

struct Regorus {
    machine: RegoVM,
    questions: Vec<Value>,
}

/// Loads the policies as data.
///
/// # Errors
///
/// When the rules cannot be compiled.
pub fn load(workload: &Workload) -> Result<Box<dyn Engine>, String> {
    // Room for every pattern there is, so that none is compiled twice.
    let room = ::regorus::cache::Config::MAX_CAPACITY;
    ::regorus::cache::configure(::regorus::cache::Config {
        regex: room,
        ..Default::default()
    });
    let mut engine = ::regorus::Engine::new();
    engine
        .add_policy("iam.rego".to_owned(), RULES.to_owned())
        .map_err(|error| error.to_string())?;
    let entry: Rc<str> = ENTRY.into();
    let compiled = engine
        .compile_with_entrypoint(&entry)
        .map_err(|error| error.to_string())?;
    let program =
        Compiler::compile_from_policy(&compiled, &[ENTRY]).map_err(|error| error.to_string())?;
    let mut machine = RegoVM::new();
    machine.load_program(program);
    machine.set_max_instructions(usize::MAX);
    machine
        .set_data(data(workload).into())
        .map_err(|error| error.to_string())?;
    Ok(Box::new(Regorus {
        machine,
        questions: Vec::new(),
    }))
}

impl Engine for Regorus {
    fn prepare(&mut self, request: &Request) {
        let context: Map<String, Json> = context_of(request)
            .map(|(key, value)| (key, value.into()))
            .collect();
        let question = json!({
            "principal": request.principal,
            "action": request.action.to_ascii_lowercase(),
            "resource": request.resource,
            "context": context,
        });
        self.questions.push(question.into());
    }

    fn decide(&mut self, number: usize) -> bool {
        self.machine.set_input(self.questions[number].clone());
        self.machine
            .execute()
            .is_ok_and(|answer| answer == Value::from(true))
    }
}

/// The policies as data.
fn data(workload: &Workload) -> Json {
    let policies = read_policies(workload);
    let mut catalogue = Catalogue::new(workload, &policies);
    let mut granted = json!({ "allow": {}, "deny": {} });
    for (principal, names) in &workload.attachments {
        let attached = names.iter().filter_map(|name| policies.get(name.as_str()));
        for statement in attached.flatten() {
            let effect = if statement.allow { "allow" } else { "deny" };
            let conditions: Json = statement.conditions.iter().map(condition).collect();
            for action in &*catalogue.resolve(statement) {
                let entry = &mut granted[effect][principal][action];
                if statement.except_resources {
                    let each: Vec<_> = statement.resources.iter().map(|one| regex(one)).collect();
                    let item = json!({ "pattern": each.join("|"), "conditions": conditions });
                    push(&mut entry["outside"], item);
                    continue;
                }
                for resource in &statement.resources {
                    let prefix = resource.split(['*', '?']).next().unwrap_or_default();
                    let mut item = json!({ "prefix": prefix, "conditions": conditions });
                    if resource == "*" {
                        push(&mut entry["every"], conditions.clone());
                    } else if !is_pattern(resource) {
                        push(&mut entry["exact"][resource], conditions.clone());
                    } else if resource.strip_suffix('*') == Some(prefix) {
                        push(&mut entry["prefix"], item);
                    } else {
                        item["pattern"] = regex(resource).into();
                        push(&mut entry["pattern"], item);
                    }
                }
            }
        }
    }
    json!({ "granted": granted })
}

fn push(list: &mut Json, item: Json) {
    match list {
        Json::Array(items) => items.push(item),
        other => *other = json!([item]),
    }
}

/// A condition as data, with only what it has.
fn condition(condition: &Condition) -> Json {
    let mut item = json!({ "key": condition.key });
    for (name, flag) in [
        ("negated", condition.negated),
        ("missing", condition.missing),
    ] {
        if flag {
            item[name] = true.into();
        }
    }
    let patterns = condition
        .like
        .iter()
        .map(|pattern| regex(pattern))
        .collect();
    for (name, list) in [
        ("equals", &condition.equals),
        ("within", &condition.within),
        ("like", &patterns),
        ("same", &condition.same),
    ] {
        if !list.is_empty() {
            item[name] = list.clone().into();
        }
    }
    item
}

/// A pattern as a regular expression.
fn regex(pattern: &str) -> String {
    let mut text = "^".to_owned();
    for character in pattern.chars() {
        match character {
            '*' => text.push_str(".*"),
            '?' => text.push('.'),
            other if other.is_ascii_punctuation() => text.extend(['\\', other]),
            other => text.push(other),
        }
    }
    text + "$"
}
