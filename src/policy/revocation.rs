//! Sessions that end before their time (section 4.4 of the signing rules).

use crate::model::Timestamp;

/// What is revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// The token with this id, and all that were obtained with it.
    Token([u8; 16]),
    /// The sessions of this access key, and those that were obtained with it.
    AccessKey(String),
    /// The sessions of a role with this ARN.
    Session(String),
    /// The sessions that carry this source identity.
    SourceIdentity(String),
    /// The sessions of this user or role, by ARN.
    Principal(String),
}

/// A revocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// What is revoked.
    pub what: Revoked,
    /// Sessions that were issued from then on are not concerned; all are where it is absent.
    pub before: Option<Timestamp>,
    /// From when on nobody can have such a session any more, so that the entry may go.
    pub until: Option<Timestamp>,
}
