//! Long-term access keys: whose they are, and what verifies their signatures.

use crate::authn::json::{self, Json};
use crate::authn::sigv4::{SigV4Error, SigningKey};
use crate::cache::{CountedCache, Usage};
use crate::model::Secret;
use crate::policy::{Diagnostic, User};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use moka::sync::Cache;
use std::collections::HashMap;
use std::time::Duration;

/// The longest secret, in bytes.
const MAX_SECRET: usize = 256;
/// The most derived keys that are kept (KEY-03).
const MAX_DERIVED: u64 = 10_000;
/// How long a derived key is kept (KEY-03).
const DERIVED_LIFE: Duration = Duration::from_hours(1);

/// The long-term access keys of a bundle with their secrets.
///
/// A secret is either there as such, or as the signing keys that somebody derived from it for some
/// days, regions and services, so that this process need not hold it (KEY-01).
#[derive(Clone, Debug)]
pub struct AccessKeys {
    keys: HashMap<Box<str>, Key>,
    derived: CountedCache<String, SigningKey>,
}

/// The content of a file of the credentials directory, by its path.
pub type SecretFiles<'f> = dyn Fn(&str) -> Option<&'f [u8]> + 'f;

/// One access key.
#[derive(Clone, Debug)]
struct Key {
    user: Box<str>,
    active: bool,
    material: Material,
}

#[derive(Clone, Debug)]
enum Material {
    /// Nothing is at hand: whoever signs with the key is refused.
    Missing,
    Secret(Secret),
    /// By `date/region/service`.
    Derived(HashMap<String, SigningKey>),
}

/// Why a file holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Unusable {
    #[error("there is no file `{0}` in the credentials directory")]
    NotThere(String),
    #[error(
        "`{0}` holds neither one secret on one line nor a JSON object with the member `signingKeys`"
    )]
    Form(String),
    #[error(
        "`signingKeys[{index}]` of `{file}` needs `date`, `region`, `service` and `key`, the key as 32 bytes in base64"
    )]
    SigningKey { file: String, index: usize },
}

impl Default for AccessKeys {
    fn default() -> Self {
        Self {
            keys: HashMap::new(),
            derived: CountedCache::of(
                Cache::builder()
                    .max_capacity(MAX_DERIVED)
                    .time_to_live(DERIVED_LIFE),
            ),
        }
    }
}

impl AccessKeys {
    /// How the signing keys are used that were derived a moment ago.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.derived.usage()
    }

    /// Joins the access keys of users with the files that their secrets are in. Where there is no
    /// credentials directory at all, `file` is `None`, and no key can be used.
    ///
    /// A secret that is missing or unreadable is a warning and makes its key useless: it blocks
    /// nothing else.
    ///
    /// # Errors
    ///
    /// A key id that two keys have.
    pub fn compile<'u, 'f>(
        users: impl IntoIterator<Item = &'u User>,
        file: Option<&SecretFiles<'f>>,
    ) -> Result<(Self, Vec<Diagnostic>), Vec<Diagnostic>> {
        let mut all = Self::default();
        let (mut faults, mut warnings) = (Vec::new(), Vec::new());
        for user in users {
            for key in &user.access_keys {
                let place = user.identity.place.clone();
                let material = match file.map(|file| read(&key.secret_file, file)) {
                    None => Material::Missing,
                    Some(Ok(material)) => material,
                    Some(Err(fault)) => {
                        let message = format!("the access key `{}` is useless: {fault}", key.id);
                        warnings.push(Diagnostic::warning("KEY-01", place.clone(), message));
                        Material::Missing
                    }
                };
                let entry = Key {
                    user: user.identity.arn.as_str().into(),
                    active: key.active,
                    material,
                };
                if all.keys.insert(key.id.as_str().into(), entry).is_some() {
                    let message = format!("the access key `{}` is there twice", key.id);
                    faults.push(Diagnostic::error("IDS-01", place, message));
                }
            }
        }
        if faults.is_empty() {
            Ok((all, warnings))
        } else {
            Err(faults)
        }
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The ARN of the user whose key this is.
    #[must_use]
    pub fn user_of(&self, id: &str) -> Option<&str> {
        self.keys.get(id).map(|key| &*key.user)
    }

    /// Whether a key is there and may be used.
    #[must_use]
    pub fn is_active(&self, id: &str) -> bool {
        self.keys.get(id).is_some_and(|key| key.active)
    }

    /// The ARN of the user whose key this is, and the key for one day, region and service.
    ///
    /// # Errors
    ///
    /// [`SigV4Error::UnknownKey`], [`SigV4Error::InactiveKey`], and [`SigV4Error::NoKeyAtHand`]
    /// where nothing verifies this scope.
    pub fn signing_key(
        &self,
        id: &str,
        date: &str,
        region: &str,
        service: &str,
    ) -> Result<(&str, SigningKey), SigV4Error> {
        let key = self.keys.get(id).ok_or(SigV4Error::UnknownKey)?;
        if !key.active {
            return Err(SigV4Error::InactiveKey);
        }
        let scope = format!("{date}/{region}/{service}");
        let signing = match &key.material {
            Material::Missing => return Err(SigV4Error::NoKeyAtHand),
            Material::Derived(keys) => keys.get(&scope).cloned().ok_or(SigV4Error::NoKeyAtHand)?,
            Material::Secret(secret) => {
                let name = format!("{id}/{scope}");
                if let Some(known) = self.derived.get(&name) {
                    known
                } else {
                    let derived = SigningKey::derive(secret.expose(), date, region, service);
                    self.derived.insert(name, derived.clone());
                    derived
                }
            }
        };
        Ok((&key.user, signing))
    }
}

fn read(path: &str, file: &SecretFiles<'_>) -> Result<Material, Unusable> {
    let bytes = file(path).ok_or_else(|| Unusable::NotThere(path.to_owned()))?;
    let form = || Unusable::Form(path.to_owned());
    let text = bytes.trim_ascii_end();
    if text.starts_with(b"{") {
        return derived(path, text);
    }
    let is_secret = |byte: &u8| byte.is_ascii_graphic();
    if text.is_empty() || text.len() > MAX_SECRET || !text.iter().all(is_secret) {
        return Err(form());
    }
    Ok(Material::Secret(Secret::new(text.to_vec())))
}

fn derived(path: &str, text: &[u8]) -> Result<Material, Unusable> {
    let form = || Unusable::Form(path.to_owned());
    let members = json::object(text).map_err(|_| form())?;
    let Some(Json::List(entries)) = members.get("signingKeys") else {
        return Err(form());
    };
    let mut keys = HashMap::new();
    for (index, entry) in entries.iter().enumerate() {
        let fault = || Unusable::SigningKey {
            file: path.to_owned(),
            index,
        };
        let Json::Object(members) = entry else {
            return Err(fault());
        };
        let text = |name| match members.get(name) {
            Some(Json::Text(text)) => Ok(text.as_str()),
            _ => Err(fault()),
        };
        let scope = format!("{}/{}/{}", text("date")?, text("region")?, text("service")?);
        let bytes = STANDARD.decode(text("key")?).map_err(|_| fault())?;
        let bytes = Secret::new(bytes);
        let key = SigningKey::of_bytes(bytes.expose()).ok_or_else(fault)?;
        keys.insert(scope, key);
    }
    Ok(Material::Derived(keys))
}
