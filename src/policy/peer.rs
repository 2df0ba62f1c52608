//! Which role a client certificate stands for.

use crate::model::AccountId;
use crate::policy::Place;

/// A mapping from the identity of a verified client certificate to a role (MTL-02).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerMapping {
    /// Where it is written.
    pub place: Place,
    /// Which certificates are meant.
    pub matcher: PeerMatch,
    /// The role, by name in `account` or by ARN.
    pub role: String,
    /// The account that the session belongs to.
    pub account: AccountId,
}

/// Which certificates a mapping means. A DNS name or a subject counts only when it is written as
/// one, so that no certificate is taken for a form that nobody enabled (MTL-01).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerMatch {
    /// A SPIFFE id such as `spiffe://acme.test/ns/shop/sa/cart`. A path segment that is `*` or
    /// `{name}` stands for any one segment; the trust domain is always literal. Neither form can
    /// occur in a real id, so one text says which of both is meant.
    Spiffe(String),
    /// The one DNS name, in lower case and without wildcard.
    Dns(String),
    /// The one subject, as the PEP prints it: `O=Example,CN=cart`.
    Subject(String),
}
