//! The context of a case: what it says, and what follows from it.

use super::{InvalidCase, given, invalid, text};
use crate::model::{AccountId, Context, Principal, Timestamp};
use crate::policy::node::{Node, Value};
use compact_str::CompactString;

/// The families of keys that tags become.
const TAG_FAMILIES: [&str; 4] = [
    "aws:principaltag/",
    "aws:requesttag/",
    "aws:resourcetag/",
    "iam:resourcetag/",
];

/// The context as given, with what follows from the principal, the owner and the time filled in.
pub(super) fn context(
    request: &Node,
    principal: &Principal,
    owner: Option<AccountId>,
) -> Result<Context, InvalidCase> {
    let mut context = Context::new();
    if let Some(node) = given(request, "context") {
        let members = node
            .members()
            .ok_or_else(|| invalid("`request.context` is a JSON object"))?;
        for member in members {
            let folded = member.name.to_ascii_lowercase();
            let stands_already = context.lookup(&folded).is_some();
            // KEY-2: two tags of one source, of which nobody can tell which one is meant.
            if stands_already && TAG_FAMILIES.iter().any(|family| folded.starts_with(family)) {
                context.set_unknown(&member.name);
                continue;
            }
            if stands_already {
                return Err(invalid(format!(
                    "the context key `{}` stands twice",
                    member.name
                )));
            }
            set_value(&mut context, &member.name, &member.value)?;
        }
    }
    fill_principal(&mut context, principal);
    if let Some(owner) = owner {
        context.set_if_absent("aws:ResourceAccount", owner.as_str());
    }
    if let Some(time) = given(request, "time") {
        let time = Timestamp::parse(text(time, "request.time")?)
            .map_err(|fault| invalid(format!("`request.time`: {fault}")))?;
        let time = Timestamp::from_seconds(time.seconds());
        context.set_if_absent("aws:CurrentTime", time.to_iso());
        context.set_if_absent("aws:EpochTime", time.seconds().to_string());
    } else {
        // KEY-9: there always is a time, and the case does not say which.
        for key in ["aws:CurrentTime", "aws:EpochTime"] {
            if context.lookup(&key.to_ascii_lowercase()).is_none() {
                context.set_unknown(key);
            }
        }
    }
    Ok(context)
}

fn set_value(context: &mut Context, key: &str, node: &Node) -> Result<(), InvalidCase> {
    let scalar = |node: &Node| -> Result<CompactString, InvalidCase> {
        match &node.value {
            Value::Text(text) | Value::Number(text) => Ok(text.as_str().into()),
            Value::Bool(value) => Ok(value.to_string().into()),
            Value::Null | Value::List(_) | Value::Map(_) => Err(invalid(format!(
                "the context key `{key}` has strings, not {}",
                node.kind()
            ))),
        }
    };
    match &node.value {
        Value::List(items) => {
            let values: Result<Vec<CompactString>, InvalidCase> =
                items.iter().map(scalar).collect();
            context.set_all(key, values?);
        }
        Value::Map(members) => match members.as_slice() {
            [only] if only.name == "unknown" && only.value.value == Value::Bool(true) => {
                context.set_unknown(key);
            }
            _ => {
                return Err(invalid(format!(
                    "the context key `{key}` is a string or a list"
                )));
            }
        },
        _ => context.set(key, scalar(node)?),
    }
    Ok(())
}

/// The keys that follow from who is calling (KEY-8).
fn fill_principal(context: &mut Context, principal: &Principal) {
    context.set_if_absent("aws:ViaAWSService", "false");
    if let Some(arn) = principal.policy_arn() {
        context.set_if_absent("aws:PrincipalArn", arn.as_str());
    }
    if let Some(account) = principal.account() {
        context.set_if_absent("aws:PrincipalAccount", account.as_str());
    }
    if let Some(kind) = principal.type_name() {
        context.set_if_absent("aws:PrincipalType", kind);
    }
    let is_service = matches!(principal, Principal::Service { .. });
    match principal {
        Principal::Anonymous => {
            context.set_if_absent("aws:PrincipalAccount", "anonymous");
            context.set_if_absent("aws:userid", "anonymous");
            return;
        }
        Principal::Service { name } => {
            context.set_if_absent("aws:PrincipalServiceName", name.as_str());
            context.set_if_absent("aws:PrincipalServiceNamesList", name.as_str());
        }
        Principal::Root { account, .. } => {
            context.set_if_absent("aws:userid", account.as_str());
        }
        Principal::User { arn, .. } => context.set_if_absent("aws:username", arn.name()),
        Principal::FederatedUser { arn, account, .. } => {
            let name = arn.resource_after("federated-user").unwrap_or_default();
            context.set_if_absent("aws:userid", format!("{account}:{name}"));
        }
        // An unsigned call: the keys of signed requests are absent.
        Principal::IdentityProvider { provider, .. } => {
            context.set_if_absent("aws:FederatedProvider", provider.as_str());
            return;
        }
        // KEY-11: whatever second factor the assuming call had.
        Principal::RoleSession { .. } => {
            context.set_if_absent("aws:MultiFactorAuthPresent", "false");
        }
    }
    context.set_if_absent("aws:PrincipalIsAWSService", is_service.to_string());
}
