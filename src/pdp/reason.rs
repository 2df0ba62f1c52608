//! Why a request was denied, sealed so that whoever was denied can hand it on and cannot read it
//! (section 2.9 of the signing rules).

use crate::authn::TokenId;
use crate::model::{AccountId, Context, ContextValue, Request, Timestamp};
use crate::pdp::caller::Caller;
use crate::pdp::outcome::Refusal;
use crate::snapshot::Snapshot;
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How long a sealed reason can be read, in seconds (DAM-01).
const LIFE_S: i64 = 86_400;
/// The longest sealed reason, in characters (DAM-01).
pub(super) const MAX_CHARS: usize = 10_240;
/// How much of the condition keys is told, in bytes: the whole then stays below the limit.
const MAX_CONDITIONS: usize = 4_096;

/// What is sealed.
#[derive(Serialize, Deserialize)]
struct Sealed {
    account: String,
    until: i64,
    reason: String,
}

/// Seals why a caller was denied; `None` where nobody could read it.
pub(super) fn seal(
    snapshot: &Snapshot,
    caller: &Caller,
    request: &Request<'_>,
    refusal: &Refusal,
    now: Timestamp,
) -> Option<String> {
    let keys = snapshot.token_keys.as_ref()?;
    let Refusal::Denied {
        reason, statements, ..
    } = refusal
    else {
        return None;
    };
    let items = statements.iter().map(|name| {
        let id = snapshot.policies.sid(name).unwrap_or_default();
        json!({"statementId": id, "statement": name, "effect": "DENY"})
    });
    let items: Vec<Value> = items.collect();
    let told = json!({
        "allowed": false,
        "explicitDeny": *reason == "explicit_deny",
        "matchedStatements": {"items": items},
        "failures": {"items": []},
        "context": {
            "principal": {
                "id": super::issue::user_id(caller),
                "arn": caller.principal.arn().map(crate::model::Arn::as_str),
            },
            "action": request.action.to_string(),
            "resource": request.resource.name.as_str(),
            "conditions": {"items": conditions(request.context)},
        },
    });
    let sealed = Sealed {
        account: caller.principal.account()?.to_string(),
        until: now.seconds() + LIFE_S,
        reason: told.to_string(),
    };
    let bytes = serde_json::to_vec(&sealed).ok()?;
    let mut chance: TokenId = [0; 16];
    rand::fill(&mut chance).ok()?;
    let text = URL_SAFE_NO_PAD.encode(keys.seal_message(&bytes, chance, now)?);
    (text.len() <= MAX_CHARS).then_some(text)
}

/// Opens a sealed reason of an account.
pub(super) fn open(
    snapshot: &Snapshot,
    account: AccountId,
    text: &str,
    now: Timestamp,
) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let keys = snapshot.token_keys.as_ref()?;
    let message = keys.open_message(&bytes, now)?;
    let sealed: Sealed = serde_json::from_slice(&message).ok()?;
    let is_good = sealed.account == account.as_str() && now.seconds() < sealed.until;
    is_good.then_some(sealed.reason)
}

/// The condition keys, as many as there is room for.
fn conditions(context: &Context) -> Vec<Value> {
    let mut items = Vec::new();
    let mut room = MAX_CONDITIONS;
    for (key, value) in context.iter() {
        let ContextValue::Values(values) = value else {
            continue;
        };
        let values: Vec<Value> = values
            .iter()
            .map(|value| json!({"value": value.as_str()}))
            .collect();
        let item = json!({"key": key.as_str(), "values": {"items": values}});
        let Some(left) = room.checked_sub(item.to_string().len()) else {
            continue;
        };
        room = left;
        items.push(item);
    }
    items
}
