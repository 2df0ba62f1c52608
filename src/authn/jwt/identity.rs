//! Whom a verified token stands for.

use crate::authn::claim_path::ClaimPath;
use crate::authn::json::{Json, Object};
use crate::authn::jwt::JwtError;
use crate::authn::jwt::claims::{self, Registered};
use crate::authn::jwt::issuer::Issuer;
use crate::authn::jwt::tags::SessionTags;
use crate::authn::session_name;
use crate::model::Timestamp;
use crate::policy::{AuthorizedParty, Cluster, OidcProvider};
use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// The claim that sets the source identity (CLM-04).
const SOURCE_IDENTITY: &str = "https://aws.amazon.com/source_identity";
/// The parts of condition keys that the requests of a session keep (CLM-03).
const CARRIED_PARTS: [&str; 4] = ["sub", "aud", "amr", "id"];

/// Somebody for whom a registered issuer vouches.
#[derive(Clone, Debug)]
pub struct WebIdentity {
    /// The provider whose issuer it is.
    pub provider: Arc<OidcProvider>,
    /// The `sub` claim.
    pub subject: String,
    /// The `iat` claim, fraction dropped.
    pub issued_at: Timestamp,
    /// The `exp` claim, fraction dropped and without leeway: what is remembered of this identity
    /// is not to outlive it.
    pub expires_at: Timestamp,
    /// Condition keys such as `login.example.com:sub` with their values (CLM-01, CLM-02); a key
    /// without values is left out.
    pub context: Vec<(String, Vec<String>)>,
    /// The role that the token stands for, as the provider's rules write it; `None` when no rule
    /// holds and there is no default.
    pub role: Option<String>,
    /// The name of the session: from the provider's claim, made fit for an ARN.
    pub session_name: String,
    /// The source identity, which needs `sts:SetSourceIdentity` (CLM-04).
    pub source_identity: Option<String>,
    /// The session tags, which need `sts:TagSession` (CLM-04).
    pub session_tags: Vec<(String, String)>,
    /// The names of the tags that later sessions of a chain keep (TAG-02).
    pub transitive_tag_keys: Vec<String>,
    /// What whoever decides by it has found out.
    pub memo: Memo,
}

/// What was found out about something, once and for as long as it is remembered itself. A copy has
/// found out nothing.
#[derive(Default)]
pub struct Memo(OnceLock<Arc<dyn Any + Send + Sync>>);

impl Memo {
    /// What was found out, if it was.
    #[must_use]
    pub fn get<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        Arc::clone(self.0.get()?).downcast().ok()
    }

    /// Keeps what was found out, unless something is kept already.
    pub fn keep<T: Any + Send + Sync>(&self, found: &Arc<T>) {
        // Whoever was first has found out the same.
        let _ = self.0.set(Arc::<T>::clone(found));
    }
}

impl Clone for Memo {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Memo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Memo").finish_non_exhaustive()
    }
}

impl WebIdentity {
    /// The condition keys that the requests of a session keep, while all of [`Self::context`] is
    /// for the trust policy (CLM-03).
    pub fn carried(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.context
            .iter()
            .map(|(key, values)| (key.as_str(), values.as_slice()))
            .filter(|(key, _)| {
                // The part has no colon, while the prefix may have one before a port.
                key.rsplit_once(':').is_some_and(|(_, part)| {
                    CARRIED_PARTS
                        .iter()
                        .any(|carried| part.eq_ignore_ascii_case(carried))
                })
            })
    }
}

impl Issuer {
    /// Makes the identity of a token that was found good.
    pub(super) fn identity(
        &self,
        claims: &Object,
        registered: Registered,
    ) -> Result<WebIdentity, JwtError> {
        let role = self.role(claims)?;
        let session_name = self.session_name(claims)?;
        let source_identity = source_identity(claims)?;
        let SessionTags {
            mut tags,
            mut transitive,
        } = SessionTags::read(claims)?;
        if let Some(cluster) = &self.provider.cluster {
            for (key, value) in workload_tags(cluster, claims)? {
                if tags
                    .iter()
                    .any(|(known, _)| known.eq_ignore_ascii_case(key))
                {
                    continue;
                }
                tags.push((key.to_owned(), value));
                transitive.push(key.to_owned());
            }
        }
        Ok(WebIdentity {
            provider: Arc::clone(&self.provider),
            issued_at: registered.issued_at(),
            expires_at: registered.expires_at(),
            context: self.context(claims, &registered)?,
            subject: registered.subject,
            role,
            session_name,
            source_identity,
            session_tags: tags,
            transitive_tag_keys: transitive,
            memo: Memo::default(),
        })
    }

    /// The condition keys of a token (CLM-02).
    fn context(
        &self,
        claims: &Object,
        registered: &Registered,
    ) -> Result<Vec<(String, Vec<String>)>, JwtError> {
        let provider = self.provider();
        let named = |part: &str, values: Vec<String>| (format!("{}:{part}", self.prefix), values);
        // An authorized party that nobody checked must not pass for a checked audience.
        let party = match provider.authorized_party {
            AuthorizedParty::Require => registered.authorized_party.clone(),
            AuthorizedParty::Ignore => None,
        };
        let audience = match party {
            Some(party) => vec![party],
            None => registered
                .audiences
                .iter()
                .filter(|audience| provider.audiences.contains(audience))
                .cloned()
                .collect(),
        };
        let mut context = vec![
            named("iss", vec![provider.issuer.clone()]),
            named("sub", vec![registered.subject.clone()]),
            named("aud", audience),
            named("oaud", registered.audiences.clone()),
            named("azp", registered.authorized_party.iter().cloned().collect()),
            named("amr", registered.methods.clone()),
        ];
        for (path, key) in &self.claims {
            context.push((key.clone(), values(path, claims)?));
        }
        context.retain(|(_, values)| !values.is_empty());
        Ok(context)
    }

    /// The role: of the first rule that holds, else of the role claim, else the default (BRR-04).
    fn role(&self, claims: &Object) -> Result<Option<String>, JwtError> {
        for (conditions, role) in &self.roles {
            let mut holds = true;
            for (path, value) in conditions {
                holds &= values(path, claims)?.contains(value);
            }
            if holds {
                return Ok(Some(role.clone()));
            }
        }
        let provider = self.provider();
        let Some(path) = &self.role_claim else {
            return Ok(provider.default_role.clone());
        };
        match find(path, claims)? {
            None => Ok(provider.default_role.clone()),
            Some(Json::Text(asked)) => {
                let allowed = provider.allowed_roles.iter().find(|role| *role == asked);
                allowed.cloned().map(Some).ok_or(JwtError::Role)
            }
            Some(_) => Err(path.wrong_type()),
        }
    }

    fn session_name(&self, claims: &Object) -> Result<String, JwtError> {
        let path = &self.session_name;
        let text = match find(path, claims)? {
            None => return Err(claims::missing(&path.to_string())),
            Some(Json::Text(text)) => text.clone(),
            Some(Json::Number(number)) => number.text().ok_or_else(|| path.wrong_type())?,
            Some(Json::Null | Json::Bool(_) | Json::List(_) | Json::Object(_)) => {
                return Err(path.wrong_type());
            }
        };
        session_name::of_claim(&text).ok_or(JwtError::SessionName)
    }
}

impl ClaimPath {
    fn wrong_type(&self) -> JwtError {
        claims::wrong_type(&self.to_string())
    }
}

fn find<'c>(path: &ClaimPath, claims: &'c Object) -> Result<Option<&'c Json>, JwtError> {
    path.find(claims).map_err(|_| path.wrong_type())
}

/// The values of a claim as texts: none when it is absent, several when it is a list (CLM-02).
fn values(path: &ClaimPath, claims: &Object) -> Result<Vec<String>, JwtError> {
    match find(path, claims)? {
        None => Ok(Vec::new()),
        Some(Json::Text(text)) => Ok(vec![text.clone()]),
        Some(Json::Bool(value)) => Ok(vec![value.to_string()]),
        Some(Json::Number(number)) => number
            .text()
            .map(|text| vec![text])
            .ok_or_else(|| path.wrong_type()),
        Some(value @ Json::List(_)) => claims::texts(value, &path.to_string()),
        Some(Json::Null | Json::Object(_)) => Err(path.wrong_type()),
    }
}

/// The tags that a workload of Kubernetes has (K8S-04), by the names that EKS gives them.
fn workload_tags(
    cluster: &Cluster,
    claims: &Object,
) -> Result<Vec<(&'static str, String)>, JwtError> {
    const TAGS: [(&str, &str); 4] = [
        ("kubernetes-namespace", "/kubernetes.io/namespace"),
        (
            "kubernetes-service-account",
            "/kubernetes.io/serviceaccount/name",
        ),
        ("kubernetes-pod-name", "/kubernetes.io/pod/name"),
        ("kubernetes-pod-uid", "/kubernetes.io/pod/uid"),
    ];
    let mut tags = vec![("eks-cluster-name", cluster.name.clone())];
    tags.extend(cluster.arn.clone().map(|arn| ("eks-cluster-arn", arn)));
    for (tag, pointer) in TAGS {
        let Some(path) = ClaimPath::parse(pointer) else {
            continue;
        };
        match find(&path, claims)? {
            None => {}
            Some(Json::Text(text)) => tags.push((tag, text.clone())),
            Some(_) => return Err(path.wrong_type()),
        }
    }
    Ok(tags)
}

fn source_identity(claims: &Object) -> Result<Option<String>, JwtError> {
    let identity = match claims.get(SOURCE_IDENTITY) {
        None => return Ok(None),
        Some(Json::Text(identity)) => identity,
        Some(_) => return Err(claims::wrong_type(SOURCE_IDENTITY)),
    };
    let fits = (2..=64).contains(&identity.len()) && identity.chars().all(session_name::is_allowed);
    if fits {
        Ok(Some(identity.clone()))
    } else {
        Err(JwtError::SourceIdentity)
    }
}
