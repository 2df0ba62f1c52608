//! What is written down of one decision.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The value of `schema` of every record; another number where a member changes its meaning.
pub const SCHEMA: &str = "sidegate.decision/1";

/// One decision, as a line of the log says it. Members that are unknown are left out; nothing secret is
/// in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// [`SCHEMA`].
    pub schema: String,
    /// When it was made, with microseconds.
    pub time: String,
    /// The id of the decision, as the answer has it.
    pub id: String,
    /// The door at which it was asked.
    pub door: String,
    /// `allow`, `deny`, `unauthenticated` or `error`.
    pub outcome: String,
    /// Why, in a word of a closed set.
    pub reason: String,
    /// A sentence about a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The rule that refused a credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What was wrong with a credential, in a word of a closed set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The layer that decided first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// The statements that decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statements: Vec<String>,
    /// Who asked: an ARN, a service, or `anonymous`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// The account of the principal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The name of the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Who stood at the beginning of the chain of sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_identity: Option<String>,
    /// By what it was authenticated, as `sidegate:AuthType` says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<String>,
    /// The id of the access key that signed, or that a refused call names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key: Option<String>,
    /// The session has policies of its own, which are not written down.
    #[serde(default, skip_serializing_if = "is_false")]
    pub has_session_policies: bool,
    /// By which kind of credentials it asked, where that counts: `sessionToken`, a session of a user's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// What was to be done; of a call that asks for several things, the one that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// To what: each resource of the call that was judged, the one that decided last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// How many more resources and condition keys there were, for which a record has no room.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u32,
    /// The account that owns the last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_account: Option<String>,
    /// The condition keys that the decision could read.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub context: BTreeMap<String, Vec<String>>,
    /// Condition keys, and families of them, whose values nobody could find out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
    /// What was left out on purpose: members, and condition keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redacted: Vec<String>,
    /// The method of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Its host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Its path, without the query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The address of the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<String>,
    /// What the client calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The id that the proxy gave the request (`x-request-id`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The snapshot that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// How long it took, in microseconds.
    pub latency_us: u64,
    /// The trace that the request is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// The span of the decision, where it is traced; else that of whoever asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span_id: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(value: &u32) -> bool {
    *value == 0
}

impl Record {
    /// About how much memory it takes, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let texts = [
            &self.message,
            &self.principal,
            &self.session,
            &self.source_identity,
            &self.access_key,
            &self.action,
            &self.method,
            &self.host,
            &self.path,
            &self.user_agent,
            &self.request_id,
        ];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        let lists = [&self.statements, &self.resources, &self.unknown];
        let lists = lists.into_iter().flatten();
        let context = self.context.iter();
        let context = context.flat_map(|(key, values)| std::iter::once(key).chain(values));
        let many: usize = lists.chain(context).map(|text| text.len() + 32).sum();
        size_of::<Self>() + 256 + texts + many
    }

    /// The record as one event in the manner of `CloudTrail`.
    #[must_use]
    pub fn to_cloudtrail(&self) -> serde_json::Value {
        use serde_json::{Map, Value, json};
        let mut event = Map::new();
        let mut put = |name: &str, value: Value| {
            if !value.is_null() {
                event.insert(name.to_owned(), value);
            }
        };
        let (service, name) = self
            .action
            .as_deref()
            .and_then(|action| action.split_once(':'))
            .unwrap_or(match self.outcome.as_str() {
                "unauthenticated" => ("sidegate", "Unauthenticated"),
                _ => ("sidegate", "Unmapped"),
            });
        let arn = self.principal.as_deref().unwrap_or("anonymous");
        let kind = match arn.rsplit(':').next().unwrap_or_default() {
            "anonymous" => "Unknown",
            "root" => "Root",
            rest if rest.starts_with("user/") => "IAMUser",
            rest if rest.starts_with("assumed-role/") => "AssumedRole",
            rest if rest.starts_with("federated-user/") => "FederatedUser",
            _ => "AWSService",
        };
        put("eventVersion", json!("1.11"));
        put("eventTime", json!(self.time));
        put("eventID", json!(self.id));
        put("eventType", json!("AwsApiCall"));
        put("eventSource", json!(format!("{service}.amazonaws.com")));
        put("eventName", json!(name));
        put("eventCategory", json!("Data"));
        put("managementEvent", json!(false));
        put("requestID", json!(self.request_id));
        put("sourceIPAddress", json!(self.source_ip));
        put("userAgent", json!(self.user_agent));
        put("recipientAccountId", json!(self.resource_account));
        let mut identity = Map::new();
        for (name, value) in [
            ("type", Some(kind)),
            ("arn", Some(arn)),
            ("accountId", self.account.as_deref()),
            ("accessKeyId", self.access_key.as_deref()),
        ] {
            if let Some(value) = value {
                identity.insert(name.to_owned(), json!(value));
            }
        }
        if let Some(source) = &self.source_identity {
            let context = json!({"sourceIdentity": source});
            identity.insert("sessionContext".to_owned(), context);
        }
        put("userIdentity", Value::Object(identity));
        let resources: Vec<Value> = self
            .resources
            .iter()
            .map(|arn| json!({"ARN": arn, "accountId": self.resource_account}))
            .collect();
        put("resources", Value::Array(resources));
        if self.outcome != "allow" {
            let code = match self.outcome.as_str() {
                "deny" => "AccessDenied",
                "unauthenticated" => "UnrecognizedClientException",
                _ => "ServiceUnavailable",
            };
            put("errorCode", json!(code));
            put("errorMessage", json!(self.message));
        }
        put(
            "additionalEventData",
            json!({
                "outcome": self.outcome, "reason": self.reason, "layer": self.layer,
                "statements": self.statements, "rule": self.rule, "revision": self.revision,
                "authentication": self.authentication, "door": self.door,
                "latencyMicroseconds": self.latency_us, "traceId": self.trace_id,
                "redacted": self.redacted,
            }),
        );
        Value::Object(event)
    }
}
