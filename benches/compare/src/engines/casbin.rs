//! Casbin: a row for each action and resource of a statement, matched by native functions.
//!
//! Casbin evaluates the matcher for row after row. The comparison of the principal comes first,
//! then the action and the resource, so that the condition is read only in rows that match.

use super::{Condition, Engine, context_of, glob, read_policies};
use crate::workload::{Request, Workload};
use ::casbin::function_map::OperatorFunction;
use ::casbin::rhai::Dynamic;
use ::casbin::{CoreApi as _, DefaultModel, Enforcer, MemoryAdapter};
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

const MODEL: &str = r#"
[request_definition]
r = sub, act, obj, env

[policy_definition]
p = sub, act, obj, cond, eft

[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))

[matchers]
m = r.sub == p.sub && isLike(r.act, p.act) && isLike(r.obj, p.obj) && (p.cond == "" || holds(r.env, p.cond))
"#;

/// The context of a request, which a native function gets as it is.
type Environment = Arc<HashMap<String, String>>;

struct Casbin {
    enforcer: Enforcer,
    questions: Vec<Vec<Dynamic>>,
}

/// Loads the policies as rows.
///
/// # Errors
///
/// When a statement has an exception or a condition that a row has no form for.
pub fn load(workload: &Workload) -> Result<Box<dyn Engine>, String> {
    let policies = read_policies(workload);
    let mut rows = Vec::new();
    for (principal, names) in &workload.attachments {
        let attached = names.iter().filter_map(|name| policies.get(name.as_str()));
        for statement in attached.flatten() {
            if statement.except_actions || statement.except_resources {
                return Err("a row cannot say NotAction or NotResource".to_owned());
            }
            let effect = if statement.allow { "allow" } else { "deny" };
            let conditions = statement
                .conditions
                .iter()
                .map(text)
                .collect::<Result<Vec<_>, _>>()?;
            let conditions = conditions.join("\n");
            for action in &statement.actions {
                for resource in &statement.resources {
                    let row = [principal.as_str(), action, resource, &conditions, effect];
                    rows.push(row.map(str::to_owned).to_vec());
                }
            }
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let enforcer = runtime.block_on(async {
        let model = DefaultModel::from_str(MODEL).await?;
        Enforcer::new(model, MemoryAdapter::default()).await
    });
    let mut enforcer = enforcer.map_err(|error| error.to_string())?;
    enforcer.add_function("isLike", OperatorFunction::Arg2(is_like));
    enforcer.add_function("holds", OperatorFunction::Arg2(holds));
    if !enforcer.get_mut_model().add_policies("p", "p", rows) {
        return Err("the rows were refused".to_owned());
    }
    Ok(Box::new(Casbin {
        enforcer,
        questions: Vec::new(),
    }))
}

impl Engine for Casbin {
    fn prepare(&mut self, request: &Request) {
        let environment: Environment = Arc::new(
            context_of(request)
                .map(|(key, value)| (key, value.to_owned()))
                .collect(),
        );
        self.questions.push(vec![
            request.principal.clone().into(),
            request.action.to_ascii_lowercase().into(),
            request.resource.clone().into(),
            Dynamic::from(environment),
        ]);
    }

    fn decide(&mut self, number: usize) -> bool {
        self.enforcer
            .enforce(self.questions[number].clone())
            .is_ok_and(|allowed| allowed)
    }
}

/// The text of a condition in a row: how it compares, the key, and the values, each on its own.
fn text(condition: &Condition) -> Result<String, String> {
    let (how, values) = match (condition.equals.as_slice(), condition.within.as_slice()) {
        (values, []) => ("equals", values),
        ([], values) => ("within", values),
        _ => return Err("a condition mixes comparisons".to_owned()),
    };
    let other = condition.negated || condition.missing;
    if other || !condition.like.is_empty() || !condition.same.is_empty() {
        return Err(format!(
            "a row has no form for the condition on {}",
            condition.key
        ));
    }
    Ok([
        &[how, &condition.key],
        &*values.iter().map(String::as_str).collect::<Vec<_>>(),
    ]
    .concat()
    .join("\t"))
}

fn is_like(text: Dynamic, pattern: Dynamic) -> Dynamic {
    let matched = match (
        text.into_immutable_string(),
        pattern.into_immutable_string(),
    ) {
        (Ok(text), Ok(pattern)) => glob(pattern.as_bytes(), text.as_bytes()),
        _ => false,
    };
    matched.into()
}

fn holds(environment: Dynamic, conditions: Dynamic) -> Dynamic {
    let environment = environment.try_cast::<Environment>();
    let (Some(environment), Ok(conditions)) = (environment, conditions.into_immutable_string())
    else {
        return false.into();
    };
    let all = conditions.lines().all(|condition| {
        let mut parts = condition.split('\t');
        let how = parts.next();
        let Some(value) = parts.next().and_then(|key| environment.get(key)) else {
            return false;
        };
        parts.any(|part| {
            if how == Some("equals") {
                part == value
            } else {
                within(value, part)
            }
        })
    });
    all.into()
}

/// Whether an address is in a range, of version four because the workloads have no other.
fn within(address: &str, range: &str) -> bool {
    let (network, length) = range.split_once('/').unwrap_or((range, "32"));
    let (Ok(address), Ok(network)) = (address.parse::<Ipv4Addr>(), network.parse::<Ipv4Addr>())
    else {
        return false;
    };
    let Ok(length @ 0..=32) = length.parse::<u32>() else {
        return false;
    };
    let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
    (u32::from(address) ^ u32::from(network)) & mask == 0
}
