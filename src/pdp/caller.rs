//! Who was found to be calling.

use crate::authn::{Session, SignatureForm};
use crate::engine::{Subject, View};
use crate::model::{Credential, Principal, Timestamp};
use crate::policy::PayloadMode;
use std::sync::Arc;

/// An authenticated caller, or the anonymous one.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The principal.
    pub principal: Principal,
    /// The user or role behind it, when the bundle knows one.
    pub subject: Option<Arc<Subject>>,
    /// How it was authenticated.
    pub authentication: AuthenticationType,
    /// When its temporary credentials were issued.
    pub issued_at: Option<Timestamp>,
    /// Tags of the session, which win over those of the role (ROLE-21).
    pub session_tags: Vec<(String, String)>,
    /// The names of those that every later session of the chain has as well (ROLE-22).
    pub transitive_tags: Vec<String>,
    /// The source identity of the session.
    pub source_identity: Option<String>,
    /// The ARN of the identity provider behind the session.
    pub provider: Option<String>,
    /// Claims that the session carries as condition keys (CLM-03).
    pub claims: Vec<(String, Vec<String>)>,
    /// By which kind of credentials it asks, where a rule wants to know (ROLE-17).
    pub credential: Credential,
    /// When a second factor was shown to obtain the credentials.
    pub mfa_at: Option<Timestamp>,
    /// The policies of the session, where it has any; none of them where one is gone.
    pub session_policies: Option<Arc<View>>,
    /// The access key whose signature it is.
    pub access_key_id: Option<String>,
    /// The session token, if it came with one.
    pub token: Option<Arc<Session>>,
    /// The signature of the call, if it is signed.
    pub signature: Option<Signature>,
}

/// What is known of a signature that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Where it stood.
    pub form: SignatureForm,
    /// The region that it is scoped to.
    pub region: Box<str>,
    /// How old it is, in seconds; less than zero by a clock that is ahead.
    pub age_s: i64,
    /// The headers under it, in lower case.
    pub headers: Vec<Box<str>>,
    /// What it says of the body.
    pub payload: PayloadMode,
}

/// How a caller was authenticated: the value of `sidegate:AuthType` (BRR-02).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthenticationType {
    /// Nothing was presented.
    Anonymous,
    /// A signature in the `authorization` header.
    SigV4,
    /// A signed address.
    SigV4Query,
    /// A session token without a signature.
    Bearer,
    /// A token of a registered issuer.
    Oidc,
    /// A client certificate.
    Mtls,
    /// A trusted peer named the principal.
    Named,
}

impl AuthenticationType {
    /// The value of the condition key; absent for a caller that a peer named.
    #[must_use]
    pub const fn label(self) -> Option<&'static str> {
        match self {
            Self::Anonymous => Some("Anonymous"),
            Self::SigV4 => Some("SigV4"),
            Self::SigV4Query => Some("SigV4Query"),
            Self::Bearer => Some("Bearer"),
            Self::Oidc => Some("OIDC"),
            Self::Mtls => Some("MTLS"),
            Self::Named => None,
        }
    }
}

impl Caller {
    /// A caller with nothing known beyond its principal.
    #[must_use]
    pub fn plain(
        principal: Principal,
        subject: Option<Arc<Subject>>,
        authentication: AuthenticationType,
    ) -> Self {
        Self {
            principal,
            subject,
            authentication,
            issued_at: None,
            session_tags: Vec::new(),
            transitive_tags: Vec::new(),
            source_identity: None,
            provider: None,
            claims: Vec::new(),
            credential: Credential::Ordinary,
            mfa_at: None,
            session_policies: None,
            access_key_id: None,
            token: None,
            signature: None,
        }
    }

    /// The value of a tag that the next session of the chain will have too. A role that is assumed
    /// is judged as if it had it already, if it has a tag of this name (ROLE-23).
    pub(super) fn transitive_tag(&self, name: &str) -> Option<&str> {
        let folded = name.to_lowercase();
        let is_it = |key: &str| key.to_lowercase() == folded;
        if !self.transitive_tags.iter().any(|key| is_it(key)) {
            return None;
        }
        let mut tags = self.session_tags.iter();
        tags.find(|(key, _)| is_it(key))
            .map(|(_, value)| value.as_str())
    }

    /// The caller that presented nothing.
    #[must_use]
    pub fn anonymous() -> Self {
        Self::plain(Principal::Anonymous, None, AuthenticationType::Anonymous)
    }
}
