//! Answers as stock clients read them: XML on one line (STS-06 to STS-08).

use crate::authn::{Credentials, WebIdentity};
use crate::model::AccountId;
use crate::pdp::issue::{Identity, Issued};
use crate::pdp::{DecisionId, escaped};
use std::fmt::Write as _;
use std::sync::Arc;

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// What is answered.
#[derive(Debug)]
pub(super) enum Answer {
    AssumeRole(Issued),
    WebIdentity(Issued, Arc<WebIdentity>),
    SessionToken(Issued),
    FederationToken(Issued),
    CallerIdentity(Identity),
    AccessKeyInfo(AccountId),
    DecodedMessage(String),
}

/// The header fields of every answer.
pub(super) fn headers(id: &DecisionId) -> Vec<(&'static str, String)> {
    vec![
        ("content-type", "text/xml".to_owned()),
        ("cache-control", "no-store".to_owned()),
        ("x-amzn-requestid", id.as_str().to_owned()),
    ]
}

/// An error (ERR-30).
pub(super) fn error(code: &str, status: u16, message: &str, id: &DecisionId) -> String {
    let kind = if status < 500 { "Sender" } else { "Receiver" };
    let mut xml = String::from("<ErrorResponse><Error>");
    element(&mut xml, "Type", kind);
    element(&mut xml, "Code", code);
    element(&mut xml, "Message", message);
    xml.push_str("</Error>");
    element(&mut xml, "RequestId", id.as_str());
    xml.push_str("</ErrorResponse>");
    xml
}

impl Answer {
    pub(super) fn issued(&self) -> Option<&Issued> {
        match self {
            Self::AssumeRole(issued)
            | Self::WebIdentity(issued, _)
            | Self::SessionToken(issued)
            | Self::FederationToken(issued) => Some(issued),
            Self::CallerIdentity(_) | Self::AccessKeyInfo(_) | Self::DecodedMessage(_) => None,
        }
    }

    pub(super) fn to_xml(&self, id: &DecisionId) -> String {
        let mut xml = String::new();
        let name = match self {
            Self::AssumeRole(issued) => {
                credentials(&mut xml, issued);
                session(&mut xml, issued, ["AssumedRoleUser", "AssumedRoleId"]);
                sizes(&mut xml, issued);
                "AssumeRole"
            }
            Self::WebIdentity(issued, identity) => {
                credentials(&mut xml, issued);
                session(&mut xml, issued, ["AssumedRoleUser", "AssumedRoleId"]);
                element(&mut xml, "SubjectFromWebIdentityToken", &identity.subject);
                element(&mut xml, "Provider", &identity.provider.issuer);
                if let Some(audience) = audience(identity) {
                    element(&mut xml, "Audience", audience);
                }
                sizes(&mut xml, issued);
                "AssumeRoleWithWebIdentity"
            }
            Self::SessionToken(issued) => {
                credentials(&mut xml, issued);
                sizes(&mut xml, issued);
                "GetSessionToken"
            }
            Self::FederationToken(issued) => {
                credentials(&mut xml, issued);
                session(&mut xml, issued, ["FederatedUser", "FederatedUserId"]);
                sizes(&mut xml, issued);
                "GetFederationToken"
            }
            Self::CallerIdentity(identity) => {
                element(&mut xml, "Arn", &identity.arn);
                element(&mut xml, "UserId", &identity.user_id);
                element(&mut xml, "Account", identity.account.as_str());
                "GetCallerIdentity"
            }
            Self::AccessKeyInfo(account) => {
                element(&mut xml, "Account", account.as_str());
                "GetAccessKeyInfo"
            }
            Self::DecodedMessage(text) => {
                element(&mut xml, "DecodedMessage", text);
                "DecodeAuthorizationMessage"
            }
        };
        let id = id.as_str();
        format!(
            "<{name}Response xmlns=\"{NAMESPACE}\"><{name}Result>{xml}</{name}Result><ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></{name}Response>"
        )
    }
}

/// The `aud` of the token: the context has it under the name of the provider.
fn audience(identity: &WebIdentity) -> Option<&str> {
    let of_part = |key: &str| key.rsplit_once(':').is_some_and(|(_, part)| part == "aud");
    let mut keys = identity.context.iter();
    let (_, values) = keys.find(|(key, _)| of_part(key))?;
    values.first().map(String::as_str)
}

fn credentials(xml: &mut String, issued: &Issued) {
    let credentials = &issued.credentials;
    let secret = String::from_utf8_lossy(credentials.secret.expose());
    xml.push_str("<Credentials>");
    element(xml, "AccessKeyId", &credentials.access_key_id);
    element(xml, "SecretAccessKey", &secret);
    element(xml, "SessionToken", &credentials.token);
    element(xml, "Expiration", &issued.claims.expires_at.to_iso());
    xml.push_str("</Credentials>");
}

fn session(xml: &mut String, issued: &Issued, [outer, id]: [&str; 2]) {
    let _ = write!(xml, "<{outer}>");
    element(xml, id, issued.session_id.as_deref().unwrap_or_default());
    element(
        xml,
        "Arn",
        issued.session_arn.as_deref().unwrap_or_default(),
    );
    let _ = write!(xml, "</{outer}>");
}

fn sizes(xml: &mut String, issued: &Issued) {
    if let Some(source) = &issued.claims.source_identity {
        element(xml, "SourceIdentity", source);
    }
    let chars = issued.credentials.token.len();
    element(xml, "SessionTokenSize", &chars.to_string());
    let percent = (100 * chars).div_ceil(Credentials::MAX_CHARS);
    element(xml, "SessionTokenUtilization", &percent.to_string());
    if let Some(percent) = issued.packed_percent {
        element(xml, "PackedPolicySize", &percent.to_string());
    }
}

fn element(xml: &mut String, name: &str, value: &str) {
    let _ = write!(xml, "<{name}>{}</{name}>", escaped(value));
}
