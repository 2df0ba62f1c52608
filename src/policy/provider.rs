//! Registered issuers of web identities.

use crate::model::{AccountId, Arn};
use crate::policy::Place;

/// A registered `OpenID` Connect issuer (OID-01): what its tokens must look like, and which role
/// they stand for.
#[derive(Clone, Debug)]
pub struct OidcProvider {
    /// Where it is written.
    pub place: Place,
    /// The name of the document.
    pub name: String,
    /// The account in which it is registered.
    pub account: AccountId,
    /// Its own ARN, `arn:P:iam::ACCOUNT:oidc-provider/HOST[/PATH]`.
    pub arn: Arn,
    /// The exact `iss` of its tokens.
    pub issuer: String,
    /// The accepted audiences; at least one.
    pub audiences: Vec<String>,
    /// The accepted signature algorithms; at least one.
    pub algorithms: Vec<SigningAlgorithm>,
    /// Where its keys come from.
    pub keys: KeySource,
    /// How far clocks may differ, in seconds; at most 300 (JWT-05).
    pub leeway_s: u32,
    /// The longest accepted life of a token, in seconds (JWT-05).
    pub max_token_life_s: u32,
    /// Whether a token may name several audiences without an authorized party (JWT-06).
    pub multiple_audiences: bool,
    /// What an `azp` claim must be (JWT-07).
    pub authorized_party: AuthorizedParty,
    /// Claims that become condition keys: the claim's name or JSON pointer, and the key's part
    /// behind the issuer prefix (CLM-02).
    pub claims: Vec<(String, String)>,
    /// Which role a token stands for: the first rule that holds wins.
    pub roles: Vec<RoleRule>,
    /// The claim whose value names the role, which must be one of `allowed_roles`.
    pub role_claim: Option<String>,
    /// The roles that `role_claim` may name, by name or ARN.
    pub allowed_roles: Vec<String>,
    /// The role of a token for which no rule holds, by name or ARN.
    pub default_role: Option<String>,
    /// The claim that becomes the session name.
    pub session_name: String,
    /// Whether the bundle says so: sessions then have that name and no other (CLM-05).
    pub names_sessions: bool,
    /// The cluster whose service accounts the tokens are for: their claims become session tags
    /// (K8S-04).
    pub cluster: Option<Cluster>,
}

impl OidcProvider {
    /// Whether the bundle says which roles its tokens stand for: they then stand for no others.
    #[must_use]
    pub fn maps_roles(&self) -> bool {
        !self.roles.is_empty() || self.role_claim.is_some() || self.default_role.is_some()
    }
}

/// A cluster of Kubernetes (K8S-04).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// Its ARN, if it has one.
    pub arn: Option<String>,
}

/// Where the keys of an issuer come from (OID-03).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeySource {
    /// The text of a JWKS document.
    Inline(String),
    /// They are fetched.
    Fetched(KeyRequest),
    /// There are none: the API server of Kubernetes is asked about each token.
    TokenReview,
}

/// Where keys are fetched from, and what is believed there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyRequest {
    /// The exact issuer.
    pub issuer: String,
    /// The address of the key set; `None` asks the discovery document of the issuer for it (OID-02).
    pub url: Option<String>,
    /// Hosts beside the issuer's own that the discovery document may name.
    pub hosts: Vec<String>,
    /// The certificates of authorities in PEM that vouch for the servers; `None` is those of the
    /// system (OID-05).
    pub ca: Option<String>,
    /// Whether servers may have private addresses, as issuers within a cluster have.
    pub private_addresses: bool,
    /// How long keys are used that could not be fetched again, in seconds (OID-04).
    pub stale_if_error_s: u32,
    /// The algorithms that the keys are for.
    pub algorithms: Vec<SigningAlgorithm>,
}

/// A rule that gives tokens a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleRule {
    /// Claims, by name or JSON pointer, and the value that each must have, or hold when it is a
    /// list; at least one.
    pub claims: Vec<(String, String)>,
    /// The role, by name in the provider's account or by ARN.
    pub role: String,
}

/// What the `azp` claim must be when it is there (JWT-07).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorizedParty {
    /// It must be a registered audience, like `aud`.
    Require,
    /// It is not looked at.
    Ignore,
}

/// A signature algorithm of RFC 7518 or RFC 8037 that may be accepted; `none` and the `HS` family
/// have no variant, so nothing can switch them on (JWT-02).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the standard")]
pub enum SigningAlgorithm {
    Rs256,
    Rs384,
    Rs512,
    Es256,
    Es384,
    Es512,
    Ps256,
    Ps384,
    Ps512,
    EdDsa,
}

impl SigningAlgorithm {
    /// Every algorithm with its name in a token's header.
    pub const ALL: [(Self, &'static str); 10] = [
        (Self::Rs256, "RS256"),
        (Self::Rs384, "RS384"),
        (Self::Rs512, "RS512"),
        (Self::Es256, "ES256"),
        (Self::Es384, "ES384"),
        (Self::Es512, "ES512"),
        (Self::Ps256, "PS256"),
        (Self::Ps384, "PS384"),
        (Self::Ps512, "PS512"),
        (Self::EdDsa, "EdDSA"),
    ];

    /// Reads the name of a token's header, exactly.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(_, name)| *name == text)
            .map(|(algorithm, _)| *algorithm)
    }
}
