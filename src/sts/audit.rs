//! The record of what was issued, to whom and from where.

use crate::authn::SignedCall;
use crate::model::{AccountId, HttpCall, Timestamp};
use crate::pdp::issue::IssueFault;
use crate::pdp::{Caller, DecisionId, Refusal, Told};
use crate::sts::answer::Answer;
use crate::sts::parameters::Ask;
use crate::telemetry::decision_log::Record;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// One event, in the manner of `CloudTrail`. No secret, token or code stands in it, and of an external
/// id only that there was one.
pub(super) struct Event<'a> {
    members: Map<String, Value>,
    ask: &'a Ask,
    asked: Asked,
}

/// Who asked for what, for the decision log.
#[derive(Debug, Default)]
pub(super) struct Asked {
    caller: Option<(String, Option<AccountId>, Option<String>)>,
    source_identity: Option<String>,
    action: Option<&'static str>,
    role: Option<String>,
    session: Option<String>,
}

impl Asked {
    fn of(ask: &Ask) -> Self {
        let (role, session, source_identity) = match ask {
            Ask::AssumeRole(ask) => (
                Some(ask.role_arn.clone()),
                Some(ask.session_name.clone()),
                ask.source_identity.clone(),
            ),
            Ask::WebIdentity(ask) => (
                Some(ask.role_arn.clone()),
                Some(ask.session_name.clone()),
                None,
            ),
            Ask::FederationToken(ask) => (None, Some(ask.name.clone()), None),
            Ask::SessionToken(_)
            | Ask::CallerIdentity
            | Ask::DecodeMessage(_)
            | Ask::AccessKeyInfo(_) => (None, None, None),
        };
        Self {
            caller: None,
            source_identity,
            action: Some(ask.name()),
            role,
            session,
        }
    }

    /// The record of a call of the token service: outcome and reason of closed sets, and what was asked.
    pub(super) fn record(
        self,
        told: &Told<'_>,
        (outcome, reason): (&'static str, &'static str),
        answer: &Result<Answer, IssueFault>,
        took: Duration,
    ) -> Record {
        let mut record = told.record(outcome, reason, took);
        if let Some((principal, account, access_key)) = self.caller {
            record.principal = Some(principal);
            record.account = account.map(|account| account.to_string());
            record.access_key = access_key.or(record.access_key);
        }
        record.action = self.action.map(|name| format!("sts:{name}"));
        record.resources = self.role.into_iter().collect();
        record.session = self.session;
        record.source_identity = self.source_identity;
        match answer {
            Ok(_) => {}
            Err(IssueFault::Refused(refusal)) => {
                record.message = Some(refusal.message().to_owned());
                if let Refusal::Unauthenticated { label, rule, .. } = refusal {
                    record.cause = Some((*label).to_owned());
                    record.rule = Some((*rule).to_owned());
                }
            }
            Err(fault) => {
                if let Some((code, _, message)) = fault.code() {
                    record.cause = Some(code.to_owned());
                    record.message = Some(message.to_owned());
                }
            }
        }
        record
    }
}

impl<'a> Event<'a> {
    pub(super) fn of(call: &HttpCall, ask: &'a Ask, id: &DecisionId, now: Timestamp) -> Self {
        let agent = call.headers.joined("user-agent").ok().flatten();
        let agent: Option<String> = agent.map(|agent| agent.chars().take(256).collect());
        let mut members = Map::new();
        members.insert("eventSource".to_owned(), json!("sts.amazonaws.com"));
        members.insert("eventName".to_owned(), json!(ask.name()));
        members.insert("eventTime".to_owned(), json!(now.to_iso()));
        members.insert("eventID".to_owned(), json!(id.as_str()));
        members.insert(
            "sourceIPAddress".to_owned(),
            json!(call.peer.ip.map(|ip| ip.to_string())),
        );
        members.insert("userAgent".to_owned(), json!(agent));
        members.insert("requestParameters".to_owned(), parameters(ask));
        // Until it is proven, it is what the call says.
        let named = json!({"accessKeyId": access_key(call)});
        members.insert("userIdentity".to_owned(), named);
        Self {
            members,
            ask,
            asked: Asked::of(ask),
        }
    }

    /// What of it goes into the decision log.
    pub(super) fn asked(&mut self) -> Asked {
        std::mem::take(&mut self.asked)
    }

    pub(super) fn caller(&mut self, caller: &Caller) {
        self.asked.caller = Some((
            caller.principal.display_name().to_owned(),
            caller.principal.account(),
            caller.access_key_id.clone(),
        ));
        let identity = json!({
            "type": caller.principal.type_name(),
            "arn": caller.principal.arn().map(crate::model::Arn::as_str),
            "accountId": caller.principal.account().map(|account| account.to_string()),
            "accessKeyId": caller.access_key_id,
        });
        self.members.insert("userIdentity".to_owned(), identity);
    }

    pub(super) fn tell(&mut self, answer: &Result<Answer, IssueFault>) {
        match answer {
            Ok(answer) => {
                if let Some(issued) = answer.issued() {
                    let told = json!({
                        "accessKeyId": issued.credentials.access_key_id,
                        "expiration": issued.claims.expires_at.to_iso(),
                        "tokenId": data_encoding::HEXLOWER.encode(&issued.credentials.id),
                        "arn": issued.session_arn,
                    });
                    self.members.insert("responseElements".to_owned(), told);
                }
                if let Answer::WebIdentity(_, identity) = answer {
                    let told = json!({
                        "type": "WebIdentityUser",
                        "userName": identity.subject,
                        "identityProvider": identity.provider.arn.as_str(),
                    });
                    self.members.insert("userIdentity".to_owned(), told);
                }
            }
            Err(IssueFault::Refused(refusal)) => {
                self.members
                    .insert("errorCode".to_owned(), json!(refusal.reason()));
                self.members
                    .insert("errorMessage".to_owned(), json!(refusal.message()));
            }
            Err(fault) => {
                if let Some((code, _, message)) = fault.code() {
                    self.members.insert("errorCode".to_owned(), json!(code));
                    self.members
                        .insert("errorMessage".to_owned(), json!(message));
                }
            }
        }
        let event = Value::Object(std::mem::take(&mut self.members));
        let name = self.ask.name();
        tracing::info!(target: "sidegate::audit", name, %event, "sts");
    }
}

/// A call that asks for nothing that there is.
pub(super) fn unread(call: &HttpCall, fault: &IssueFault, id: &DecisionId) {
    let (code, _, message) = fault.code().unwrap_or_default();
    let source = call.peer.ip.map(|ip| ip.to_string());
    let access_key = access_key(call);
    tracing::info!(target: "sidegate::audit", event_id = id.as_str(), code, message, source, access_key, "sts");
}

/// The access key that a call names; nobody vouches for it yet.
fn access_key(call: &HttpCall) -> Option<String> {
    let signed = SignedCall::of_header(call).ok()?;
    Some(signed.access_key_id().to_owned())
}

fn parameters(ask: &Ask) -> Value {
    let keys = |tags: &[(String, String)]| -> Vec<String> {
        tags.iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect()
    };
    match ask {
        Ask::AssumeRole(ask) => json!({
            "roleArn": ask.role_arn,
            "roleSessionName": ask.session_name,
            "durationSeconds": ask.duration_s,
            "sourceIdentity": ask.source_identity,
            "tags": keys(&ask.tags),
            "transitiveTagKeys": ask.transitive,
            "externalId": ask.external_id.is_some(),
            "serialNumber": ask.proof.as_ref().map(|proof| &proof.serial),
            "policyArns": ask.policies.arns,
            "policy": ask.policies.inline.is_some(),
        }),
        Ask::WebIdentity(ask) => json!({
            "roleArn": ask.role_arn,
            "roleSessionName": ask.session_name,
            "durationSeconds": ask.duration_s,
            "policyArns": ask.policies.arns,
            "policy": ask.policies.inline.is_some(),
        }),
        Ask::SessionToken(ask) => json!({
            "durationSeconds": ask.duration_s,
            "serialNumber": ask.proof.as_ref().map(|proof| &proof.serial),
        }),
        Ask::FederationToken(ask) => json!({
            "name": ask.name,
            "durationSeconds": ask.duration_s,
            "tags": keys(&ask.tags),
            "policyArns": ask.policies.arns,
            "policy": ask.policies.inline.is_some(),
        }),
        Ask::CallerIdentity | Ask::DecodeMessage(_) => Value::Null,
        Ask::AccessKeyInfo(key) => json!({"accessKeyId": key}),
    }
}
