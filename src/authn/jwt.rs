//! Web identities: tokens of registered issuers, verified and turned into who they stand for.

mod cache;
mod claims;
mod compact;
mod error;
mod identity;
mod issuer;
mod tags;

pub use error::{JwtError, Part};
pub use identity::WebIdentity;
pub use tags::TagFault;

use crate::authn::{Remotes, Wait};
use crate::cache::Usage;
use crate::model::Timestamp;
use crate::policy::{Diagnostic, OidcProvider};
use cache::{Verified, VerifiedTokens};
use claims::Registered;
use compact::Compact;
use issuer::Issuer;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Judges the tokens of all registered issuers (OID-01).
///
/// It holds what its providers say; keys that are fetched are looked up, and fetched by others. It
/// follows nothing that a token names: `jku`, `x5u`, `jwk` and `x5c` are not read at all.
#[derive(Debug, Default)]
pub struct Verifier {
    issuers: BTreeMap<String, Issuer>,
    verified: VerifiedTokens,
}

impl Verifier {
    /// How the tokens are used that were verified a moment ago.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.verified.usage()
    }

    /// The most characters of a token (JWT-01).
    pub const MAX_CHARS: usize = 20_000;

    /// Makes the providers of a bundle ready.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with any of them: a key set that is refused (OID-02, JWT-02,
    /// JWT-03), no audience (JWT-06: an audience that is not checked has let somebody in), no
    /// algorithm (JWT-02), an issuer that is no plain `https` address (OID-01), limits of time that
    /// are out of bounds (JWT-05), a claim map that is ambiguous (CLM-02), a role mapping that cannot
    /// work (BRR-04), or an issuer that is registered twice (OID-01).
    pub fn compile(
        providers: &[OidcProvider],
        remotes: &dyn Remotes,
    ) -> Result<Self, Vec<Diagnostic>> {
        let mut faults = Vec::new();
        let mut issuers: BTreeMap<String, Issuer> = BTreeMap::new();
        for provider in providers {
            // A token names its issuer and nothing else, so two registrations leave open which
            // audiences, keys and roles hold.
            if providers
                .iter()
                .take_while(|earlier| !std::ptr::eq(*earlier, provider))
                .any(|earlier| earlier.issuer == provider.issuer)
            {
                faults.push(Diagnostic::error(
                    "OID-01",
                    provider.place.clone(),
                    format!("the issuer `{}` is registered twice", provider.issuer),
                ));
            }
            if let Some(issuer) = Issuer::compile(provider, remotes, &mut faults) {
                issuers.insert(provider.issuer.clone(), issuer);
            }
        }
        if faults.is_empty() {
            Ok(Self {
                issuers,
                verified: VerifiedTokens::default(),
            })
        } else {
            Err(faults)
        }
    }

    /// Whether no issuer is registered, so that every token is refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.issuers.is_empty()
    }

    /// Verifies `token` at the instant `now` and tells whom it stands for: form, then issuer, then
    /// signature, then claims (JWT-08). Nothing of a token is believed before its signature.
    ///
    /// # Errors
    ///
    /// The first [`JwtError`] in that order. Of the claims, types come before times, times before
    /// audiences, and those before role, session name and tags.
    ///
    /// # Source
    ///
    /// RFC 7515, RFC 7519, RFC 8725 (best current practices).
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<WebIdentity>, JwtError> {
        // What is too long is not even hashed.
        if token.len() > Self::MAX_CHARS {
            return Err(JwtError::TooLong {
                length: token.len(),
            });
        }
        if let Some(verified) = self.verified.get(token)
            && let Some(issuer) = self.issuers.get(&verified.issuer)
            && issuer.still_has(verified.keys.as_ref(), now)
        {
            verified.registered.check(issuer.provider(), now)?;
            issuer.reviewed(token, &verified.registered.subject)?;
            return Ok(Arc::clone(&verified.identity));
        }
        let compact = Compact::read(token)?;
        let named = claims::issuer(&compact.claims)?;
        let issuer = self
            .issuers
            .get(named)
            .ok_or_else(|| JwtError::unknown_issuer(named))?;
        let keys = issuer.authenticate(&compact, now)?;
        let registered = Registered::read(&compact.claims)?;
        registered.check(issuer.provider(), now)?;
        // Until here nothing was proven where the API server is asked, and nothing was believed.
        issuer.reviewed(token, &registered.subject)?;
        let identity = issuer.identity(&compact.claims, registered.clone())?;
        let identity = Arc::new(identity);
        let verified = Verified::new(token, named, keys, registered, Arc::clone(&identity));
        self.verified.put(token, &Arc::new(verified));
        Ok(identity)
    }

    /// Whether nothing at hand settles a token: the keys of its issuer, or the word of the API
    /// server, are yet to come.
    #[must_use]
    pub fn is_unsettled(&self, token: &str, now: Timestamp) -> bool {
        // Where all keys are at hand nothing has to be verified twice.
        let has_remotes = self.issuers.values().any(Issuer::is_remote);
        has_remotes
            && self
                .verify(token, now)
                .is_err_and(|fault| fault.may_be_settled())
    }

    /// What can be waited for so that a refused token is judged otherwise: the keys of its issuer,
    /// or the word of the API server.
    #[must_use]
    pub fn settle<'a>(&'a self, token: &'a str) -> Option<Wait<'a>> {
        let compact = Compact::read(token).ok()?;
        let named = claims::issuer(&compact.claims).ok()?;
        self.issuers.get(named)?.settle(token)
    }
}

#[cfg(test)]
mod tests;
