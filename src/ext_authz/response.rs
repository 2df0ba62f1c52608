//! From an outcome to the answer that Envoy reads.

use crate::model::HttpCall;
use crate::pdp::{
    DecisionId, Denial, Dialect, Forwarding, Outcome, Refusal, Verdict, headers_to_remove,
    identity_headers,
};
use crate::proto::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use crate::proto::envoy::config::core::v3::{HeaderValue, HeaderValueOption};
use crate::proto::envoy::service::auth::v3::check_response::HttpResponse;
use crate::proto::envoy::service::auth::v3::{CheckResponse, DeniedHttpResponse, OkHttpResponse};
use crate::proto::envoy::r#type::v3::HttpStatus;
use crate::proto::google::rpc::Status;
use prost_types::{Struct, Value, value::Kind};

/// Writes the answer to a check. The call is absent when the check could not be read.
#[must_use]
pub fn write(
    outcome: &Outcome,
    id: &DecisionId,
    call: Option<&HttpCall>,
    forwarding: Forwarding,
) -> CheckResponse {
    let dialect = outcome.dialect;
    let metadata = Some(metadata(outcome, id));
    match &outcome.verdict {
        Verdict::Allow(_) => match allowed(outcome, id, call, forwarding) {
            Some(ok) => CheckResponse {
                status: Some(Status {
                    code: 0,
                    message: String::new(),
                }),
                http_response: Some(HttpResponse::OkResponse(ok)),
                dynamic_metadata: metadata,
            },
            None => denied(&Refusal::Internal, id, dialect, metadata),
        },
        Verdict::Refuse(refusal) => denied(refusal, id, dialect, metadata),
    }
}

fn allowed(
    outcome: &Outcome,
    id: &DecisionId,
    call: Option<&HttpCall>,
    forwarding: Forwarding,
) -> Option<OkHttpResponse> {
    let headers = identity_headers(outcome, id)?;
    let headers_to_remove = headers_to_remove(&headers, call, forwarding);
    let headers = headers
        .into_iter()
        .map(|(name, value)| header(name, value))
        .collect();
    Some(OkHttpResponse {
        headers,
        headers_to_remove,
    })
}

fn denied(
    refusal: &Refusal,
    id: &DecisionId,
    dialect: Dialect,
    dynamic_metadata: Option<Struct>,
) -> CheckResponse {
    let Denial {
        status,
        headers,
        body,
    } = dialect.write(refusal, id);
    let headers = headers
        .into_iter()
        .map(|(name, value)| header(name, value))
        .collect();
    CheckResponse {
        status: Some(Status {
            code: refusal.grpc_code(),
            message: refusal.reason().to_owned(),
        }),
        http_response: Some(HttpResponse::DeniedResponse(DeniedHttpResponse {
            status: Some(HttpStatus {
                code: i32::from(status),
            }),
            headers,
            body,
        })),
        dynamic_metadata,
    }
}

/// Both ways to say "replace": which one Envoy obeys depends on its version (rule 31).
fn header(name: &str, value: String) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue {
            key: name.to_owned(),
            value,
            raw_value: bytes::Bytes::new(),
        }),
        append: Some(false),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        keep_empty_value: false,
    }
}

/// What access logs of Envoy may show (rule 40); nothing secret.
fn metadata(outcome: &Outcome, id: &DecisionId) -> Struct {
    let text = |text: &str| Value {
        kind: Some(Kind::StringValue(text.to_owned())),
    };
    let subjects = &outcome.subjects;
    let reason = match &outcome.verdict {
        Verdict::Allow(_) => "allowed",
        Verdict::Refuse(refusal) => refusal.reason(),
    };
    let mut fields = std::collections::BTreeMap::from([
        ("decision_id".to_owned(), text(id.as_str())),
        ("outcome".to_owned(), text(outcome.label())),
        ("reason".to_owned(), text(reason)),
    ]);
    for (name, value) in [
        ("principal", subjects.principal.as_deref()),
        ("action", subjects.action.as_deref()),
        ("resource", subjects.resource.as_deref()),
        (
            "revision",
            subjects
                .revision
                .as_ref()
                .map(crate::snapshot::Revision::as_str),
        ),
    ] {
        if let Some(value) = value {
            fields.insert(name.to_owned(), text(value));
        }
    }
    Struct { fields }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_refusal_is_written_as_an_allow() {
        let refusals = [
            Refusal::Unmapped {
                message: "no".to_owned(),
            },
            Refusal::NoSnapshot,
            Refusal::Overload,
            Refusal::Deadline,
            Refusal::Internal,
            Refusal::Malformed {
                label: "bad_header",
                message: String::new(),
            },
            Refusal::Unauthenticated {
                label: "x",
                failure: crate::authn::Failure::Identity,
                region: None,
                unsettled: false,
                rule: "JWT-01",
                message: String::new(),
            },
        ];
        for refusal in refusals {
            let id = DecisionId::random();
            let outcome = Outcome::refused(refusal.clone());
            let response = write(&outcome, &id, None, Forwarding::Strip);
            assert_ne!(response.status.unwrap().code, 0, "{refusal:?}");
            let Some(HttpResponse::DeniedResponse(denied)) = response.http_response else {
                panic!("rule 22: a denial has a denied_response: {refusal:?}");
            };
            assert!(
                (400..600).contains(&denied.status.unwrap().code),
                "rule 25: {refusal:?}"
            );
        }
    }
}
