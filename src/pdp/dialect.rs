//! Denials in the protocol that the client of a call reads (section 1.9 of the signing rules).

use crate::authn::{Failure, presents_signature};
use crate::mapping::MappedService;
use crate::model::{HttpCall, Protocol};
use crate::pdp::{DecisionId, Refusal};
use crate::policy::ServiceProtocol;
use serde::Serialize;

/// The protocol in which a denial is written. It says nothing of what is allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// JSON over HTTP, for AWS clients and anybody else (ERR-33).
    #[default]
    RestJson,
    /// The JSON protocols of AWS, 1.0 or 1.1 (ERR-32).
    Json(JsonVersion),
    /// The query protocol of AWS (ERR-30).
    Query,
    /// The query protocol as EC2 speaks it (ERR-31).
    Ec2,
    /// The REST protocol of S3 (ERR-34).
    S3,
    /// gRPC (ERR-35).
    Grpc,
}

/// The version of a JSON protocol of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonVersion {
    /// 1.0.
    V1_0,
    /// 1.1.
    V1_1,
}

/// What a denial says, ready for any door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The HTTP status.
    pub status: u16,
    /// Header fields, the content type among them.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

impl Dialect {
    /// The protocol of a call (ERR-36): what its service says, else what the call looks like.
    #[must_use]
    pub fn of(service: Option<&MappedService>, call: &HttpCall) -> Self {
        let header = |name| call.headers.single(name).ok().flatten().unwrap_or_default();
        let content_type = header("content-type");
        let json = || {
            if content_type.contains("x-amz-json-1.1") {
                Self::Json(JsonVersion::V1_1)
            } else {
                Self::Json(JsonVersion::V1_0)
            }
        };
        if let Some(service) = service {
            match &service.protocol {
                ServiceProtocol::S3 => return Self::S3,
                ServiceProtocol::AwsJson(_) => return json(),
                ServiceProtocol::AwsQuery(_) if service.signing.service == "ec2" => {
                    return Self::Ec2;
                }
                ServiceProtocol::AwsQuery(_) => return Self::Query,
                ServiceProtocol::Grpc(_) => return Self::Grpc,
                ServiceProtocol::Routes if call.protocol == Protocol::Grpc => return Self::Grpc,
                ServiceProtocol::Routes if service.signing.signs_raw_path() => return Self::S3,
                ServiceProtocol::Routes => {}
            }
        }
        let (_, query) = call.target.split_once('?').unwrap_or((&call.target, ""));
        let is_form = content_type.starts_with("application/x-www-form-urlencoded");
        let names_action = query.split('&').any(|pair| pair.starts_with("Action="));
        // Forms of ordinary pages are none of AWS.
        let is_of_aws = service.is_none() || presents_signature(&call.headers, Some(query));
        let scope = |text: &str| {
            let scope = text
                .split(['/', ',', '&'])
                .find(|part| SCOPES.contains(part));
            scope.is_some() && text.contains("aws4_request")
        };
        let query_scope = query.replace("%2F", "/");
        if call.protocol == Protocol::Grpc {
            Self::Grpc
        } else if call.headers.has("x-amz-target") || content_type.contains("x-amz-json-1.") {
            json()
        } else if is_of_aws && (is_form || names_action) {
            Self::Query
        } else if scope(header_of_scope(call)) || scope(&query_scope) {
            Self::S3
        } else {
            Self::RestJson
        }
    }

    /// The code and the HTTP status of a failed authentication (ERR-01 to ERR-10, ERR-13).
    #[must_use]
    pub const fn code(self, failure: Failure) -> (&'static str, u16) {
        let (query, json, s3) = match failure {
            Failure::Missing => (
                ("MissingAuthenticationToken", 403),
                ("MissingAuthenticationTokenException", 403),
                ("AccessDenied", 403),
            ),
            Failure::Several => (
                ("IncompleteSignature", 400),
                ("IncompleteSignatureException", 400),
                ("InvalidArgument", 400),
            ),
            Failure::Malformed => (
                ("IncompleteSignature", 400),
                ("IncompleteSignatureException", 400),
                ("AuthorizationHeaderMalformed", 400),
            ),
            Failure::NoDate => (
                ("IncompleteSignature", 400),
                ("IncompleteSignatureException", 400),
                ("AccessDenied", 403),
            ),
            Failure::QueryParameters => (
                ("IncompleteSignature", 400),
                ("IncompleteSignatureException", 400),
                ("AuthorizationQueryParametersError", 400),
            ),
            Failure::Address => (
                ("MalformedQueryString", 400),
                ("MalformedQueryStringException", 400),
                ("InvalidURI", 400),
            ),
            Failure::UnknownKey => (
                ("InvalidClientTokenId", 403),
                ("UnrecognizedClientException", 403),
                ("InvalidAccessKeyId", 403),
            ),
            Failure::InvalidToken => (
                ("InvalidClientTokenId", 403),
                ("UnrecognizedClientException", 403),
                ("InvalidToken", 400),
            ),
            Failure::ExpiredToken => (
                ("ExpiredToken", 403),
                ("ExpiredTokenException", 403),
                ("ExpiredToken", 400),
            ),
            Failure::Mismatch => (
                ("SignatureDoesNotMatch", 403),
                ("InvalidSignatureException", 403),
                ("SignatureDoesNotMatch", 403),
            ),
            Failure::Skewed => (
                ("SignatureDoesNotMatch", 403),
                ("InvalidSignatureException", 403),
                ("RequestTimeTooSkewed", 403),
            ),
            Failure::Expired => (
                ("RequestExpired", 400),
                ("InvalidSignatureException", 403),
                ("AccessDenied", 403),
            ),
            Failure::Scope => (
                ("SignatureDoesNotMatch", 403),
                ("InvalidSignatureException", 403),
                ("AuthorizationHeaderMalformed", 400),
            ),
            Failure::Payload => (
                ("SignatureDoesNotMatch", 403),
                ("InvalidSignatureException", 403),
                ("XAmzContentSHA256Mismatch", 400),
            ),
            Failure::PayloadMode => (
                ("SignatureDoesNotMatch", 403),
                ("InvalidSignatureException", 403),
                ("InvalidArgument", 400),
            ),
            Failure::Identity => (
                ("InvalidClientTokenId", 403),
                ("UnrecognizedClientException", 401),
                ("InvalidToken", 400),
            ),
            Failure::Unavailable => (
                ("ServiceUnavailable", 503),
                ("ServiceUnavailableException", 503),
                ("ServiceUnavailable", 503),
            ),
        };
        match self {
            Self::Query | Self::Ec2 => query,
            Self::RestJson | Self::Json(_) | Self::Grpc => json,
            Self::S3 => s3,
        }
    }

    /// The code and the HTTP status of a refusal.
    #[must_use]
    pub fn code_of(self, refusal: &Refusal) -> (&'static str, u16) {
        let (query, json, s3) = match refusal {
            Refusal::Unauthenticated { failure, .. } => return self.code(*failure),
            Refusal::Denied { .. } | Refusal::Unmapped { .. } if self == Self::Ec2 => {
                ("UnauthorizedOperation", "", "")
            }
            Refusal::Denied { .. } | Refusal::Unmapped { .. } => {
                ("AccessDenied", "AccessDeniedException", "AccessDenied")
            }
            Refusal::Malformed { .. } => {
                ("ValidationError", "ValidationException", "InvalidRequest")
            }
            Refusal::Fault { .. } | Refusal::Internal => (
                "InternalFailure",
                "InternalServerException",
                "InternalError",
            ),
            Refusal::NoSnapshot | Refusal::Deadline => (
                "ServiceUnavailable",
                "ServiceUnavailableException",
                "ServiceUnavailable",
            ),
            Refusal::Overload => (
                "ServiceUnavailable",
                "ServiceUnavailableException",
                "SlowDown",
            ),
        };
        let code = match self {
            Self::Query | Self::Ec2 => query,
            Self::RestJson | Self::Json(_) | Self::Grpc => json,
            Self::S3 => s3,
        };
        (code, refusal.http_status())
    }

    /// Writes a denial. The id of the decision is that of the request, too (ERR-37).
    #[must_use]
    pub fn write(self, refusal: &Refusal, id: &DecisionId) -> Denial {
        let (code, status) = self.code_of(refusal);
        let message = refusal.message();
        let id = id.as_str();
        let mut headers = vec![
            ("cache-control", "no-store".to_owned()),
            (crate::pdp::DECISION_HEADER, id.to_owned()),
        ];
        let body = match self {
            Self::Grpc => {
                headers.push(("content-type", "text/plain".to_owned()));
                message.to_owned()
            }
            Self::RestJson => {
                headers.push(("content-type", "application/json".to_owned()));
                headers.push(("x-amzn-errortype", code.to_owned()));
                headers.push(("x-amzn-requestid", id.to_owned()));
                json(&RestBody {
                    kind: code,
                    message,
                    error: refusal.reason(),
                    decision_id: id,
                })
            }
            Self::Json(version) => {
                let content_type = match version {
                    JsonVersion::V1_0 => "application/x-amz-json-1.0",
                    JsonVersion::V1_1 => "application/x-amz-json-1.1",
                };
                headers.push(("content-type", content_type.to_owned()));
                headers.push(("x-amzn-requestid", id.to_owned()));
                json(&JsonBody {
                    kind: code,
                    message,
                })
            }
            Self::Query => {
                headers.push(("content-type", "text/xml".to_owned()));
                headers.push(("x-amzn-requestid", id.to_owned()));
                let kind = if status < 500 { "Sender" } else { "Receiver" };
                format!(
                    "<ErrorResponse><Error><Type>{kind}</Type><Code>{code}</Code><Message>{}</Message></Error><RequestId>{id}</RequestId></ErrorResponse>",
                    escaped(message)
                )
            }
            Self::Ec2 => {
                headers.push(("content-type", "text/xml".to_owned()));
                format!(
                    "<Response><Errors><Error><Code>{code}</Code><Message>{}</Message></Error></Errors><RequestID>{id}</RequestID></Response>",
                    escaped(message)
                )
            }
            Self::S3 => {
                headers.push(("content-type", "application/xml".to_owned()));
                headers.push(("x-amz-request-id", id.to_owned()));
                headers.push(("x-amz-id-2", id.to_owned()));
                let region = match refusal {
                    Refusal::Unauthenticated {
                        region: Some(region),
                        ..
                    } => format!("<Region>{}</Region>", escaped(region)),
                    _ => String::new(),
                };
                format!(
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{}</Message>{region}<RequestId>{id}</RequestId><HostId>{id}</HostId></Error>",
                    escaped(message)
                )
            }
        };
        if status == 401 {
            headers.push(("www-authenticate", CHALLENGE.to_owned()));
        }
        Denial {
            status,
            headers,
            body,
        }
    }
}

/// Names of S3 in the scope of a signature.
const SCOPES: [&str; 2] = ["s3", "s3express"];

/// The `authorization` of a call, in which there are commas.
fn header_of_scope(call: &HttpCall) -> &str {
    let header = call.headers.joined("authorization");
    header.ok().flatten().unwrap_or_default()
}

const CHALLENGE: &str = "Bearer error=\"invalid_token\"";

#[derive(Serialize)]
struct RestBody<'a> {
    #[serde(rename = "__type")]
    kind: &'a str,
    message: &'a str,
    error: &'a str,
    #[serde(rename = "decisionId")]
    decision_id: &'a str,
}

#[derive(Serialize)]
struct JsonBody<'a> {
    #[serde(rename = "__type")]
    kind: &'a str,
    message: &'a str,
}

/// Texts always serialise.
fn json(body: &impl Serialize) -> String {
    serde_json::to_string(body).unwrap_or_default()
}

/// A text within XML; characters that XML does not have are left out.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' => escaped.push(character),
            '\u{fffe}' | '\u{ffff}' => {}
            _ if character.is_control() => {}
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(message: &str) -> Refusal {
        Refusal::Denied {
            reason: "implicit_deny",
            layer: None,
            layers: Vec::new(),
            statements: Vec::new(),
            message: message.to_owned(),
        }
    }

    #[test]
    fn a_denial_is_written_as_its_client_reads_it() {
        let id = DecisionId::random();
        let refusal = denied("a<b> & \"c\"\u{1}");
        let cases = [
            (
                Dialect::Query,
                "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>a&lt;b&gt; &amp; &quot;c&quot;</Message></Error><RequestId>ID</RequestId></ErrorResponse>",
            ),
            (
                Dialect::Ec2,
                "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>a&lt;b&gt; &amp; &quot;c&quot;</Message></Error></Errors><RequestID>ID</RequestID></Response>",
            ),
            (
                Dialect::S3,
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessDenied</Code><Message>a&lt;b&gt; &amp; &quot;c&quot;</Message><RequestId>ID</RequestId><HostId>ID</HostId></Error>",
            ),
            (
                Dialect::Json(JsonVersion::V1_0),
                r#"{"__type":"AccessDeniedException","message":"a<b> & \"c\"\u0001"}"#,
            ),
            (
                Dialect::RestJson,
                r#"{"__type":"AccessDeniedException","message":"a<b> & \"c\"\u0001","error":"implicit_deny","decisionId":"ID"}"#,
            ),
            (Dialect::Grpc, "a<b> & \"c\"\u{1}"),
        ];
        for (dialect, expected) in cases {
            let denial = dialect.write(&refusal, &id);
            assert_eq!(denial.status, 403, "ERR-11: {dialect:?}");
            let body = denial.body.replace(id.as_str(), "ID");
            assert_eq!(body, expected, "ERR-30 to ERR-35: {dialect:?}");
        }
    }
}
