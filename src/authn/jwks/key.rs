//! One key of a key set.

use crate::authn::base64url;
use crate::authn::json::{Json, Object};
use crate::policy::SigningAlgorithm;
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents};

/// Members that only a private or symmetric key has. A set that holds one was copied from the wrong
/// file, and whoever can read it can sign.
const PRIVATE_MEMBERS: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

/// The sizes of RSA moduli that are accepted, in bits (JWT-02).
const MODULUS_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The most bytes of an RSA exponent; 65537, which nearly all keys have, needs three.
const EXPONENT_BYTES: usize = 4;

/// A public key with what verifies by it; one that fits no accepted algorithm verifies nothing.
#[derive(Clone, Debug)]
pub(super) struct Key {
    id: Option<String>,
    // INVARIANT: an algorithm stands here only if the key's type and curve, its `alg` if it has one,
    // and the operator's list all agree to it.
    verifiers: Vec<(SigningAlgorithm, ParsedPublicKey)>,
}

/// Why a key of a set refuses the set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// Not a JSON object.
    #[error("the key is not an object")]
    NotAnObject,
    /// A member that the key needs is not there.
    #[error("the key has no `{0}`")]
    Missing(&'static str),
    /// A member has another JSON type than it should.
    #[error("the key's `{0}` has the wrong JSON type")]
    WrongType(&'static str),
    /// A private or symmetric key.
    #[error("the key's `{0}` is secret: only public keys belong in a key set")]
    PrivateMember(&'static str),
    /// A symmetric key, with which whoever verifies can sign.
    #[error("the key is symmetric")]
    Symmetric,
    /// A number is not strict base64url, or has a leading zero byte.
    #[error("the key's `{0}` is not a number in base64url without padding")]
    Encoding(&'static str),
    /// An RSA modulus is too short or too long (JWT-02).
    #[error("the key has {bits} bits, and 2048 to 8192 are accepted")]
    ModulusSize {
        /// Bits of the modulus.
        bits: usize,
    },
    /// An RSA modulus is even, so it is no product of two primes.
    #[error("the key's `n` is even")]
    Modulus,
    /// An RSA exponent is even, one, or larger than any in use.
    #[error("the key's `e` is not an odd number from 3 to 4294967295")]
    Exponent,
    /// A coordinate has not the length of its curve.
    #[error("the key's `{member}` has {bytes} bytes, and its curve has {expected}")]
    Coordinate {
        /// Which coordinate.
        member: &'static str,
        /// Its bytes.
        bytes: usize,
        /// The bytes that the curve needs.
        expected: usize,
    },
    /// The numbers are well-formed and no key.
    #[error("the key is not a valid public key")]
    Invalid,
}

/// The public half of a key, by type.
enum Material {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// A point of a named curve, as X9.62 or RFC 8032 writes it.
    Point(Vec<u8>),
}

/// The types of keys that are understood.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyType {
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
}

impl Key {
    /// Reads one entry of a key set.
    pub(super) fn read(entry: &Json, algorithms: &[SigningAlgorithm]) -> Result<Self, KeyFault> {
        let Json::Object(members) = entry else {
            return Err(KeyFault::NotAnObject);
        };
        if let Some(secret) = PRIVATE_MEMBERS
            .into_iter()
            .find(|name| members.contains_key(*name))
        {
            return Err(KeyFault::PrivateMember(secret));
        }
        let id = text(members, "kid")?.map(str::to_owned);
        let key_type = KeyType::read(members)?;
        let bound = text(members, "alg")?.map(SigningAlgorithm::parse);
        let for_signatures = for_signatures(members)?;
        let mut verifiers = Vec::new();
        if let Some(key_type) = key_type.filter(|_| for_signatures) {
            let fitting: Vec<SigningAlgorithm> = algorithms
                .iter()
                .copied()
                .filter(|algorithm| KeyType::of(*algorithm) == key_type)
                .filter(|algorithm| bound.is_none_or(|bound| bound == Some(*algorithm)))
                .collect();
            if !fitting.is_empty() {
                let material = key_type.material(members)?;
                for algorithm in fitting {
                    verifiers.push((algorithm, material.verifier(algorithm)?));
                }
            }
        }
        Ok(Self { id, verifiers })
    }

    /// The key's `kid`.
    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Whether the key verifies anything.
    pub(super) fn is_usable(&self) -> bool {
        !self.verifiers.is_empty()
    }

    /// What verifies signatures of `algorithm` by this key, unless the key is not for it.
    pub(super) fn verifier(&self, algorithm: SigningAlgorithm) -> Option<&ParsedPublicKey> {
        self.verifiers
            .iter()
            .find(|(fitting, _)| *fitting == algorithm)
            .map(|(_, verifier)| verifier)
    }
}

impl KeyType {
    /// The type that a key has; `None` when it is one that is not understood.
    fn read(members: &Object) -> Result<Option<Self>, KeyFault> {
        let kty = text(members, "kty")?.ok_or(KeyFault::Missing("kty"))?;
        Ok(match kty {
            "oct" => return Err(KeyFault::Symmetric),
            "RSA" => Some(Self::Rsa),
            "EC" | "OKP" => {
                let curve = text(members, "crv")?.ok_or(KeyFault::Missing("crv"))?;
                match (kty, curve) {
                    ("EC", "P-256") => Some(Self::P256),
                    ("EC", "P-384") => Some(Self::P384),
                    ("EC", "P-521") => Some(Self::P521),
                    ("OKP", "Ed25519") => Some(Self::Ed25519),
                    _ => None,
                }
            }
            _ => None,
        })
    }

    /// The type of key that an algorithm needs.
    const fn of(algorithm: SigningAlgorithm) -> Self {
        match algorithm {
            SigningAlgorithm::Rs256
            | SigningAlgorithm::Rs384
            | SigningAlgorithm::Rs512
            | SigningAlgorithm::Ps256
            | SigningAlgorithm::Ps384
            | SigningAlgorithm::Ps512 => Self::Rsa,
            SigningAlgorithm::Es256 => Self::P256,
            SigningAlgorithm::Es384 => Self::P384,
            SigningAlgorithm::Es512 => Self::P521,
            SigningAlgorithm::EdDsa => Self::Ed25519,
        }
    }

    fn material(self, members: &Object) -> Result<Material, KeyFault> {
        match self {
            Self::Rsa => rsa(members),
            Self::P256 => curve_point(members, 32),
            Self::P384 => curve_point(members, 48),
            Self::P521 => curve_point(members, 66),
            Self::Ed25519 => coordinate(members, "x", 32).map(Material::Point),
        }
    }
}

impl Material {
    fn verifier(&self, algorithm: SigningAlgorithm) -> Result<ParsedPublicKey, KeyFault> {
        match self {
            Self::Rsa { modulus, exponent } => {
                let parameters = rsa_parameters(algorithm).ok_or(KeyFault::Invalid)?;
                RsaPublicKeyComponents {
                    n: modulus,
                    e: exponent,
                }
                .to_parsed_public_key(parameters)
            }
            Self::Point(point) => {
                let verification = point_verification(algorithm).ok_or(KeyFault::Invalid)?;
                ParsedPublicKey::new(verification, point)
            }
        }
        .map_err(|_| KeyFault::Invalid)
    }
}

fn rsa_parameters(algorithm: SigningAlgorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        SigningAlgorithm::Rs256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        SigningAlgorithm::Rs384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        SigningAlgorithm::Rs512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        SigningAlgorithm::Ps256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
        SigningAlgorithm::Ps384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
        SigningAlgorithm::Ps512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
        SigningAlgorithm::Es256
        | SigningAlgorithm::Es384
        | SigningAlgorithm::Es512
        | SigningAlgorithm::EdDsa => None,
    }
}

fn point_verification(
    algorithm: SigningAlgorithm,
) -> Option<&'static dyn signature::VerificationAlgorithm> {
    match algorithm {
        SigningAlgorithm::Es256 => Some(&signature::ECDSA_P256_SHA256_FIXED),
        SigningAlgorithm::Es384 => Some(&signature::ECDSA_P384_SHA384_FIXED),
        SigningAlgorithm::Es512 => Some(&signature::ECDSA_P521_SHA512_FIXED),
        SigningAlgorithm::EdDsa => Some(&signature::ED25519),
        SigningAlgorithm::Rs256
        | SigningAlgorithm::Rs384
        | SigningAlgorithm::Rs512
        | SigningAlgorithm::Ps256
        | SigningAlgorithm::Ps384
        | SigningAlgorithm::Ps512 => None,
    }
}

fn rsa(members: &Object) -> Result<Material, KeyFault> {
    let modulus = number(members, "n")?;
    let exponent = number(members, "e")?;
    let first = modulus.first().ok_or(KeyFault::Encoding("n"))?;
    let unused = usize::try_from(first.leading_zeros()).map_err(|_| KeyFault::Invalid)?;
    let bits = modulus.len().saturating_mul(8).saturating_sub(unused);
    if !MODULUS_BITS.contains(&bits) {
        return Err(KeyFault::ModulusSize { bits });
    }
    if !is_odd(&modulus) {
        return Err(KeyFault::Modulus);
    }
    if exponent == [1] || exponent.len() > EXPONENT_BYTES || !is_odd(&exponent) {
        return Err(KeyFault::Exponent);
    }
    Ok(Material::Rsa { modulus, exponent })
}

fn is_odd(number: &[u8]) -> bool {
    number.last().is_some_and(|last| last & 1 == 1)
}

/// A point in X9.62's uncompressed form; that it lies on the curve is checked when it is parsed.
fn curve_point(members: &Object, bytes: usize) -> Result<Material, KeyFault> {
    let mut point = vec![4];
    point.extend(coordinate(members, "x", bytes)?);
    point.extend(coordinate(members, "y", bytes)?);
    Ok(Material::Point(point))
}

fn coordinate(
    members: &Object,
    member: &'static str,
    expected: usize,
) -> Result<Vec<u8>, KeyFault> {
    let value = bytes(members, member)?;
    if value.len() == expected {
        Ok(value)
    } else {
        Err(KeyFault::Coordinate {
            member,
            bytes: value.len(),
            expected,
        })
    }
}

/// A positive number in the fewest bytes, big-endian (RFC 7518, section 2).
fn number(members: &Object, member: &'static str) -> Result<Vec<u8>, KeyFault> {
    let value = bytes(members, member)?;
    match value.first() {
        None | Some(0) => Err(KeyFault::Encoding(member)),
        Some(_) => Ok(value),
    }
}

fn bytes(members: &Object, member: &'static str) -> Result<Vec<u8>, KeyFault> {
    let text = text(members, member)?.ok_or(KeyFault::Missing(member))?;
    base64url::decode(text).ok_or(KeyFault::Encoding(member))
}

/// Whether the key is meant for verifying, as far as `use` and `key_ops` tell.
fn for_signatures(members: &Object) -> Result<bool, KeyFault> {
    let purpose = text(members, "use")?.is_none_or(|purpose| purpose == "sig");
    let operations = match members.get("key_ops") {
        None => return Ok(purpose),
        Some(Json::List(operations)) => operations,
        Some(_) => return Err(KeyFault::WrongType("key_ops")),
    };
    let mut verifies = false;
    for operation in operations {
        match operation {
            Json::Text(operation) => verifies |= operation == "verify",
            _ => return Err(KeyFault::WrongType("key_ops")),
        }
    }
    Ok(purpose && verifies)
}

fn text<'a>(members: &'a Object, member: &'static str) -> Result<Option<&'a str>, KeyFault> {
    match members.get(member) {
        None => Ok(None),
        Some(Json::Text(text)) => Ok(Some(text)),
        Some(_) => Err(KeyFault::WrongType(member)),
    }
}
