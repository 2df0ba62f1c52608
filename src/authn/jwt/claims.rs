//! The registered claims: what every token must say, and whether it holds now.

use crate::authn::json::{Json, Object};
use crate::authn::jwt::JwtError;
use crate::model::Timestamp;
use crate::policy::{AuthorizedParty, OidcProvider};
use std::time::Duration;

/// The longest subject, in characters (JWT-04).
const MAX_SUBJECT_CHARS: usize = 255;

/// The claims that decide whether a token is accepted, each of the right type (JWT-04).
#[derive(Clone, Debug)]
pub(super) struct Registered {
    pub(super) subject: String,
    pub(super) audiences: Vec<String>,
    pub(super) authorized_party: Option<String>,
    pub(super) methods: Vec<String>,
    issued_at: NumericDate,
    expires_at: NumericDate,
    not_before: Option<NumericDate>,
}

/// A number of seconds since 1970, with its fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NumericDate(Duration);

/// The issuer that an unverified token names.
pub(super) fn issuer(claims: &Object) -> Result<&str, JwtError> {
    text(claims, "iss")?.ok_or_else(|| missing("iss"))
}

impl Registered {
    /// Reads the claims; one of the wrong type is a failure and never absent.
    pub(super) fn read(claims: &Object) -> Result<Self, JwtError> {
        let subject = text(claims, "sub")?.ok_or_else(|| missing("sub"))?;
        if subject.is_empty() || subject.chars().count() > MAX_SUBJECT_CHARS {
            return Err(JwtError::Subject);
        }
        Ok(Self {
            subject: subject.to_owned(),
            audiences: audiences(claims)?,
            authorized_party: text(claims, "azp")?.map(str::to_owned),
            methods: match claims.get("amr") {
                None => Vec::new(),
                Some(value) => texts(value, "amr")?,
            },
            issued_at: date(claims, "iat")?.ok_or_else(|| missing("iat"))?,
            expires_at: date(claims, "exp")?.ok_or_else(|| missing("exp"))?,
            not_before: date(claims, "nbf")?,
        })
    }

    /// Holds the claims against the provider and the time: JWT-05, then JWT-06, then JWT-07.
    pub(super) fn check(&self, provider: &OidcProvider, now: Timestamp) -> Result<(), JwtError> {
        self.check_times(provider, now)?;
        let registered = |value: &String| provider.audiences.contains(value);
        if !self.audiences.iter().any(registered) {
            return Err(JwtError::Audience);
        }
        let several = self.audiences.len() > 1 && !provider.multiple_audiences;
        match (&self.authorized_party, provider.authorized_party) {
            (None, _) if several => Err(JwtError::AuthorizedPartyMissing),
            (Some(party), AuthorizedParty::Require) if !registered(party) => {
                Err(JwtError::AuthorizedParty)
            }
            (None, _) | (Some(_), AuthorizedParty::Require | AuthorizedParty::Ignore) => Ok(()),
        }
    }

    /// When the token was issued; a fraction is dropped.
    pub(super) fn issued_at(&self) -> Timestamp {
        Timestamp::from_seconds(self.issued_at.floor())
    }

    /// When the token expires; a fraction is dropped.
    pub(super) fn expires_at(&self) -> Timestamp {
        Timestamp::from_seconds(self.expires_at.floor())
    }

    fn check_times(&self, provider: &OidcProvider, now: Timestamp) -> Result<(), JwtError> {
        let leeway_s = i64::from(provider.leeway_s);
        if now.seconds() >= self.expires_at.floor().saturating_add(leeway_s) {
            return Err(JwtError::Expired {
                now,
                expires_at: self.expires_at(),
            });
        }
        let latest = now.seconds().saturating_add(leeway_s);
        for (claim, date) in [("nbf", self.not_before), ("iat", Some(self.issued_at))] {
            if let Some(begins) = date.map(NumericDate::ceil).filter(|at| *at > latest) {
                return Err(JwtError::NotYetValid {
                    claim,
                    ahead_s: begins.saturating_sub(now.seconds()),
                });
            }
        }
        let max_s = provider.max_token_life_s;
        let life = self.expires_at.0.checked_sub(self.issued_at.0);
        match life {
            Some(life) if !life.is_zero() && life <= Duration::from_secs(max_s.into()) => Ok(()),
            Some(_) | None => Err(JwtError::Life { max_s }),
        }
    }
}

impl NumericDate {
    /// The whole seconds: the earlier reading, for when something ends.
    fn floor(self) -> i64 {
        // INVARIANT: a date is never behind the year 9999, so it fits.
        i64::try_from(self.0.as_secs()).unwrap_or(i64::MAX)
    }

    /// The next whole second: the later reading, for when something begins.
    fn ceil(self) -> i64 {
        let fraction = i64::from(self.0.subsec_nanos() > 0);
        self.floor().saturating_add(fraction)
    }
}

fn audiences(claims: &Object) -> Result<Vec<String>, JwtError> {
    match claims.get("aud") {
        None => Err(missing("aud")),
        Some(Json::Text(audience)) => Ok(vec![audience.clone()]),
        Some(value) => texts(value, "aud"),
    }
}

fn date(claims: &Object, claim: &'static str) -> Result<Option<NumericDate>, JwtError> {
    match claims.get(claim) {
        None => Ok(None),
        Some(Json::Number(number)) => number
            .since_epoch()
            .map(|since| Some(NumericDate(since)))
            .ok_or(JwtError::TimeRange(claim)),
        Some(_) => Err(wrong_type(claim)),
    }
}

fn text<'c>(claims: &'c Object, claim: &str) -> Result<Option<&'c str>, JwtError> {
    match claims.get(claim) {
        None => Ok(None),
        Some(Json::Text(text)) => Ok(Some(text)),
        Some(_) => Err(wrong_type(claim)),
    }
}

/// The texts of a list of texts; anything else is the wrong type.
pub(super) fn texts(value: &Json, claim: &str) -> Result<Vec<String>, JwtError> {
    let Json::List(entries) = value else {
        return Err(wrong_type(claim));
    };
    entries
        .iter()
        .map(|entry| match entry {
            Json::Text(text) => Ok(text.clone()),
            _ => Err(wrong_type(claim)),
        })
        .collect()
}

pub(super) fn missing(claim: &str) -> JwtError {
    JwtError::MissingClaim(claim.to_owned())
}

pub(super) fn wrong_type(claim: &str) -> JwtError {
    JwtError::ClaimType(claim.to_owned())
}
