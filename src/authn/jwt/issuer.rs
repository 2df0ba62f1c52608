//! A registered issuer, ready to judge its tokens.

use crate::authn::claim_path::ClaimPath;
use crate::authn::jwks::KeySet;
use crate::authn::jwt::JwtError;
use crate::authn::jwt::compact::Compact;
use crate::authn::{RemoteKeys, Remotes, TokenReviews, Wait};
use crate::model::Timestamp;
use crate::policy::{Diagnostic, KeySource, OidcProvider};
use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;

/// The most audiences of a provider (OID-01).
const MAX_AUDIENCES: usize = 100;
/// The most leeway between clocks, in seconds (JWT-05).
const MAX_LEEWAY_S: u32 = 300;
/// The parts of condition keys that are always set, and so cannot be mapped (CLM-02).
const FIXED_PARTS: [&str; 6] = ["aud", "oaud", "amr", "azp", "iss", "sub"];

/// A provider whose keys, claim map and role mapping are compiled.
#[derive(Clone, Debug)]
pub(super) struct Issuer {
    pub(super) provider: Arc<OidcProvider>,
    keys: Keys,
    /// The issuer without `https://`; path and trailing slash are kept (CLM-01).
    pub(super) prefix: String,
    /// Claims and the condition keys that they become.
    pub(super) claims: Vec<(ClaimPath, String)>,
    /// Rules of roles: claims with the value that each must have or hold, and the role.
    pub(super) roles: Vec<(Vec<(ClaimPath, String)>, String)>,
    pub(super) role_claim: Option<ClaimPath>,
    pub(super) session_name: ClaimPath,
}

/// Who vouches for the tokens of an issuer.
#[derive(Clone, Debug)]
enum Keys {
    Fixed(KeySet),
    Fetched(Arc<dyn RemoteKeys>),
    Reviewed(Arc<dyn TokenReviews>),
}

impl Issuer {
    /// Compiles one provider, adding all that is wrong with it to `faults`.
    pub(super) fn compile(
        provider: &OidcProvider,
        remotes: &dyn Remotes,
        faults: &mut Vec<Diagnostic>,
    ) -> Option<Self> {
        let before = faults.len();
        let mut check = Check {
            provider,
            remotes,
            faults,
        };
        check.limits();
        let prefix = check.prefix();
        let keys = check.keys();
        let claims = check.claims(prefix.unwrap_or_default());
        let roles = check.roles();
        let role_claim = match &provider.role_claim {
            Some(claim) => check.path(claim, "BRR-04").map(Some),
            None => Some(None),
        };
        let session_name = check.path(&provider.session_name, "BRR-04");
        if faults.len() > before {
            return None;
        }
        Some(Self {
            provider: Arc::new(provider.clone()),
            keys: keys?,
            prefix: prefix?.to_owned(),
            claims,
            roles,
            role_claim: role_claim?,
            session_name: session_name?,
        })
    }

    /// The provider as it was written.
    pub(super) fn provider(&self) -> &OidcProvider {
        &self.provider
    }

    /// Proves that the issuer signed the token (JWT-02, JWT-03), and gives the keys by which it was
    /// proven where they are fetched. Where the API server is asked about
    /// tokens, that is for [`reviewed`](Self::reviewed).
    pub(super) fn authenticate(
        &self,
        token: &Compact<'_>,
        now: Timestamp,
    ) -> Result<Option<Arc<KeySet>>, JwtError> {
        let fetched;
        let (keys, proof) = match &self.keys {
            Keys::Fixed(keys) => (keys, None),
            Keys::Fetched(remote) => {
                fetched = remote.current(now).ok_or(JwtError::KeysUnavailable)?;
                (&*fetched, Some(Arc::clone(&fetched)))
            }
            Keys::Reviewed(_) => return Ok(None),
        };
        let algorithm = token
            .algorithm
            .filter(|algorithm| self.provider.algorithms.contains(algorithm))
            .ok_or(JwtError::Algorithm)?;
        let key_id = token.key_id.as_deref();
        keys.verify(key_id, algorithm, token.signed, &token.signature)?;
        Ok(proof)
    }

    /// Whether the keys that proved something are still those of the issuer.
    pub(super) fn still_has(&self, proof: Option<&Arc<KeySet>>, now: Timestamp) -> bool {
        match (&self.keys, proof) {
            (Keys::Fetched(remote), Some(proof)) => remote
                .current(now)
                .is_some_and(|keys| Arc::ptr_eq(&keys, proof)),
            (Keys::Fixed(_) | Keys::Reviewed(_), None) => true,
            (Keys::Fixed(_) | Keys::Reviewed(_), Some(_)) | (Keys::Fetched(_), None) => false,
        }
    }

    /// Whether the API server vouches for a token whose claims are good, and for the same subject
    /// (K8S-03).
    pub(super) fn reviewed(&self, token: &str, subject: &str) -> Result<(), JwtError> {
        let Keys::Reviewed(reviews) = &self.keys else {
            return Ok(());
        };
        match reviews.known(token, &self.provider.audiences) {
            None => Err(JwtError::NotReviewed),
            Some(Some(user)) if *user == *subject => Ok(()),
            Some(_) => Err(JwtError::ReviewDenied),
        }
    }

    /// Whether what vouches for its tokens is not in the bundle.
    pub(super) const fn is_remote(&self) -> bool {
        !matches!(self.keys, Keys::Fixed(_))
    }

    /// What could be fetched so that a token is judged otherwise.
    pub(super) fn settle<'a>(&'a self, token: &'a str) -> Option<Wait<'a>> {
        match &self.keys {
            Keys::Fixed(_) => None,
            Keys::Fetched(remote) => Some(remote.refresh()),
            Keys::Reviewed(reviews) => Some(reviews.review(token, &self.provider.audiences)),
        }
    }
}

/// One provider under examination.
struct Check<'p, 'f> {
    provider: &'p OidcProvider,
    remotes: &'p dyn Remotes,
    faults: &'f mut Vec<Diagnostic>,
}

impl<'p> Check<'p, '_> {
    fn fault(&mut self, rule: &'static str, message: impl Into<String>) {
        let place = self.provider.place.clone();
        self.faults.push(Diagnostic::error(rule, place, message));
    }

    /// What needs no more than a look, field by field: a new field stops the build here until
    /// somebody decides what makes it wrong.
    fn limits(&mut self) {
        let OidcProvider {
            place: _,
            name: _,
            account: _,
            arn: _,
            issuer: _,
            audiences,
            algorithms,
            keys: _,
            leeway_s,
            max_token_life_s,
            multiple_audiences: _,
            authorized_party: _,
            claims: _,
            roles: _,
            role_claim,
            allowed_roles,
            default_role,
            session_name: _,
            cluster: _,
            names_sessions: _,
        } = self.provider;
        if audiences.is_empty() || audiences.iter().any(String::is_empty) {
            self.fault("JWT-06", "an issuer needs audiences, and none may be empty");
        }
        if audiences.len() > MAX_AUDIENCES {
            self.fault("OID-01", format!("more than {MAX_AUDIENCES} audiences"));
        }
        if algorithms.is_empty() {
            self.fault("JWT-02", "an issuer needs at least one signature algorithm");
        }
        if *leeway_s > MAX_LEEWAY_S {
            self.fault("JWT-05", format!("the leeway is over {MAX_LEEWAY_S} s"));
        }
        if *max_token_life_s == 0 {
            self.fault("JWT-05", "the longest accepted life of a token is zero");
        }
        if role_claim.is_some() && allowed_roles.is_empty() {
            self.fault("BRR-04", "a role claim needs a list of allowed roles");
        }
        let mut roles = allowed_roles.iter().chain(default_role);
        if roles.any(String::is_empty) {
            self.fault("BRR-04", "the name of a role is empty");
        }
    }

    /// The prefix of the issuer's condition keys, when the issuer is a plain `https` address.
    fn prefix(&mut self) -> Option<&'p str> {
        let prefix = self.provider.issuer.strip_prefix("https://");
        let plain = prefix.filter(|rest| {
            let host = rest.split('/').next().unwrap_or_default();
            let doubtful = |character: char| {
                matches!(character, '?' | '#' | '@' | '\\')
                    || character.is_whitespace()
                    || character.is_control()
            };
            !host.is_empty() && !rest.contains(doubtful)
        });
        if plain.is_none() {
            let message = "an issuer is an `https` address without user, query and fragment";
            self.fault("OID-01", message);
        }
        plain
    }

    fn keys(&mut self) -> Option<Keys> {
        if self.provider.algorithms.is_empty() {
            return None;
        }
        let text = match &self.provider.keys {
            KeySource::Inline(text) => text,
            KeySource::Fetched(request) => {
                return Some(Keys::Fetched(self.remotes.keys(request)));
            }
            KeySource::TokenReview => return Some(Keys::Reviewed(self.remotes.reviews())),
        };
        match KeySet::parse(text, &self.provider.algorithms) {
            Ok(keys) => Some(Keys::Fixed(keys)),
            Err(error) => {
                let message = match error.source() {
                    Some(cause) => format!("{error}: {cause}"),
                    None => error.to_string(),
                };
                self.fault(error.rule(), message);
                None
            }
        }
    }

    fn claims(&mut self, prefix: &str) -> Vec<(ClaimPath, String)> {
        let mut seen = BTreeSet::new();
        let mut claims = Vec::new();
        for (claim, part) in &self.provider.claims {
            let folded = part.to_ascii_lowercase();
            let doubtful = |character: char| {
                character == ':' || character.is_whitespace() || character.is_control()
            };
            if part.is_empty() || part.contains(doubtful) {
                self.fault(
                    "CLM-02",
                    format!("`{}` is no part of a condition key", part.escape_debug()),
                );
            } else if FIXED_PARTS.contains(&folded.as_str()) {
                self.fault(
                    "CLM-02",
                    format!("the condition key part `{part}` is set by the standard claim"),
                );
            } else if !seen.insert(folded) {
                self.fault(
                    "CLM-02",
                    format!("two claims become the condition key part `{part}`"),
                );
            }
            if let Some(path) = self.path(claim, "CLM-02") {
                claims.push((path, format!("{prefix}:{part}")));
            }
        }
        claims
    }

    fn roles(&mut self) -> Vec<(Vec<(ClaimPath, String)>, String)> {
        let mut roles = Vec::new();
        for rule in &self.provider.roles {
            if rule.role.is_empty() {
                self.fault("BRR-04", "the name of a role is empty");
            }
            let mut claims = Vec::new();
            for (claim, value) in &rule.claims {
                if let Some(path) = self.path(claim, "BRR-04") {
                    claims.push((path, value.clone()));
                }
            }
            // A rule that asks for nothing would hold for everybody.
            if rule.claims.is_empty() {
                self.fault("BRR-04", "a role rule names no claim");
            }
            roles.push((claims, rule.role.clone()));
        }
        roles
    }

    fn path(&mut self, claim: &str, rule: &'static str) -> Option<ClaimPath> {
        let path = ClaimPath::parse(claim);
        if path.is_none() {
            let claim = claim.escape_debug();
            self.fault(
                rule,
                format!("`{claim}` is no name of a claim and no JSON pointer"),
            );
        }
        path
    }
}
