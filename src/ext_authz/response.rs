//! From an outcome to the answer that Envoy reads.

use crate::ext_authz::message::Writer;
use crate::model::HttpCall;
use crate::pdp::{
    DecisionId, Denial, Dialect, Forwarding, Outcome, Refusal, Verdict, headers_to_remove,
    identity_headers,
};
use crate::proto::envoy::config::core::v3::header_value_option::HeaderAppendAction;

/// How much room an answer begins with, in bytes; most need no more.
const ROOM: usize = 1_024;

/// Writes the answer to a check. The call is absent when the check could not be read.
pub(super) fn write(
    outcome: &Outcome,
    id: &DecisionId,
    call: Option<&HttpCall>,
    forwarding: Forwarding,
) -> Writer {
    let mut answer = Writer::with_capacity(ROOM);
    let allowed = match &outcome.verdict {
        Verdict::Allow(_) => identity_headers(outcome, id),
        Verdict::Refuse(_) => None,
    };
    match (&outcome.verdict, allowed) {
        (Verdict::Allow(_), Some(headers)) => {
            let remove = headers_to_remove(&headers, call, forwarding);
            // Code zero is what is left out, and the message that holds it is there.
            answer.message(1, |_| {});
            answer.message(3, |ok| {
                for (name, value) in &headers {
                    header(ok, name, value);
                }
                for name in &remove {
                    ok.item(5, name);
                }
            });
        }
        (Verdict::Allow(_), None) => denied(&mut answer, &Refusal::Internal, id, outcome.dialect),
        (Verdict::Refuse(refusal), _) => denied(&mut answer, refusal, id, outcome.dialect),
    }
    answer.message(4, |metadata| write_metadata(metadata, outcome, id));
    answer
}

fn denied(answer: &mut Writer, refusal: &Refusal, id: &DecisionId, dialect: Dialect) {
    let Denial {
        status,
        headers,
        body,
    } = dialect.write(refusal, id);
    answer.message(1, |status| {
        status.number(1, refusal.grpc_code());
        status.text(2, refusal.reason());
    });
    answer.message(2, |denied| {
        denied.message(1, |http| http.number(1, i32::from(status)));
        for (name, value) in &headers {
            header(denied, name, value);
        }
        denied.text(3, &body);
    });
}

/// Both ways to say "replace": which one Envoy obeys depends on its version (rule 31).
fn header(response: &mut Writer, name: &str, value: &str) {
    response.message(2, |option| {
        option.message(1, |header| {
            header.text(1, name);
            header.text(2, value);
        });
        // A wrapped `false`.
        option.message(2, |_| {});
        option.number(3, HeaderAppendAction::OverwriteIfExistsOrAdd.into());
    });
}

/// What access logs of Envoy may show (rule 40); nothing secret.
fn write_metadata(metadata: &mut Writer, outcome: &Outcome, id: &DecisionId) {
    let subjects = &outcome.subjects;
    let revision = subjects.revision.as_ref();
    for (name, value) in [
        ("decision_id", Some(id.as_str())),
        ("outcome", Some(outcome.label())),
        ("reason", Some(outcome.reason())),
        ("principal", subjects.principal.as_deref()),
        ("action", subjects.action.as_deref()),
        ("resource", subjects.resource.as_deref()),
        ("revision", revision.map(crate::snapshot::Revision::as_str)),
    ] {
        if let Some(value) = value {
            metadata.message(1, |field| {
                field.text(1, name);
                field.message(2, |kind| kind.item(3, value));
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::envoy::service::auth::v3::CheckResponse;
    use crate::proto::envoy::service::auth::v3::check_response::HttpResponse;
    use prost::Message as _;

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
            let written = write(&outcome, &id, None, Forwarding::Strip).into_message();
            let response = CheckResponse::decode(written).unwrap();
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
