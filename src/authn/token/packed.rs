//! Session policies and tags, which share one bound (PKD-02), and the encoding of them.

use crate::authn::token::claims::{list, text, texts};
use ciborium::Value;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// The most that is inflated, in bytes (TOK-06).
const MAX_INFLATED: usize = 32 * 1024;
/// How deep values lie within each other.
const MAX_DEPTH: usize = 8;

/// What a session was given when it began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    /// The session policy, as JSON.
    pub policy: Option<String>,
    /// The managed policies that are session policies, by ARN.
    pub policy_arns: Vec<String>,
    /// The tags, inherited ones included.
    pub tags: Vec<(String, String)>,
    /// The names of those that sessions obtained with this one have as well.
    pub transitive: Vec<String>,
}

impl Packed {
    /// How much may be packed, in bytes (PKD-02).
    pub const LIMIT: usize = 2048;

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether there is a session policy at all.
    #[must_use]
    pub fn has_policies(&self) -> bool {
        self.policy.is_some() || !self.policy_arns.is_empty()
    }

    /// How much of what may be packed it takes, in percent, rounded up; over 100 is too much.
    #[must_use]
    pub fn percent(&self) -> usize {
        if self.is_empty() {
            return 0;
        }
        (100 * self.deflated().len()).div_ceil(Self::LIMIT).max(1)
    }

    pub(super) fn deflated(&self) -> Vec<u8> {
        let text = |text: &String| Value::Text(text.clone());
        let texts = |list: &[String]| Value::Array(list.iter().map(text).collect());
        let mut members = Vec::new();
        if let Some(policy) = &self.policy {
            members.push((1, text(policy)));
        }
        if !self.policy_arns.is_empty() {
            members.push((2, texts(&self.policy_arns)));
        }
        if !self.tags.is_empty() {
            let tags = self.tags.iter();
            let tags = tags.map(|(key, value)| Value::Array(vec![text(key), text(value)]));
            members.push((3, Value::Array(tags.collect())));
        }
        if !self.transitive.is_empty() {
            members.push((4, texts(&self.transitive)));
        }
        deflate(&encode(members))
    }

    pub(super) fn inflated(bytes: &[u8]) -> Option<Self> {
        let mut packed = Self::default();
        for (key, value) in decode(&inflate(bytes)?)? {
            match key {
                1 => packed.policy = Some(text(value)?),
                2 => packed.policy_arns = texts(value)?,
                3 => {
                    for pair in list(value)? {
                        let [key, value] = <[Value; 2]>::try_from(list(pair)?).ok()?;
                        packed.tags.push((text(key)?, text(value)?));
                    }
                }
                4 => packed.transitive = texts(value)?,
                _ => return None,
            }
        }
        Some(packed)
    }
}

pub(super) fn deflate(bytes: &[u8]) -> Vec<u8> {
    // What does not shrink grows by five bytes for each 16 KiB, and by a few more.
    let mut deflated = Vec::with_capacity(bytes.len() + bytes.len() / 1024 + 64);
    let mut compress = Compress::new(Compression::best(), false);
    // There is room, so that it ends at once.
    let ended = compress.compress_vec(bytes, &mut deflated, FlushCompress::Finish);
    debug_assert!(matches!(ended, Ok(Status::StreamEnd)));
    deflated
}

pub(super) fn inflate(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut inflated = Vec::with_capacity(MAX_INFLATED);
    let mut decompress = Decompress::new(false);
    let ended = decompress.decompress_vec(bytes, &mut inflated, FlushDecompress::Finish);
    let read = usize::try_from(decompress.total_in()).ok()?;
    (matches!(ended, Ok(Status::StreamEnd)) && read == bytes.len()).then_some(inflated)
}

/// Encodes a map whose keys ascend.
pub(super) fn encode(members: Vec<(u64, Value)>) -> Vec<u8> {
    let members = members.into_iter();
    let map = members.map(|(key, value)| (Value::Integer(key.into()), value));
    let mut bytes = Vec::new();
    // A vector takes whatever is written.
    let _ = ciborium::into_writer(&Value::Map(map.collect()), &mut bytes);
    bytes
}

/// Decodes a map whose keys ascend, in the one encoding that it has: what would be encoded otherwise
/// is refused, and so is anything behind it.
pub(super) fn decode(bytes: &[u8]) -> Option<Vec<(u64, Value)>> {
    let value = ciborium::de::from_reader_with_recursion_limit(bytes, MAX_DEPTH).ok()?;
    let mut again = Vec::with_capacity(bytes.len());
    ciborium::into_writer(&value, &mut again).ok()?;
    if again != bytes {
        return None;
    }
    let Value::Map(members) = value else {
        return None;
    };
    let mut read: Vec<(u64, Value)> = Vec::with_capacity(members.len());
    for (key, value) in members {
        let key = key.into_integer().ok()?.try_into().ok()?;
        if read.last().is_some_and(|(last, _)| *last >= key) {
            return None;
        }
        read.push((key, value));
    }
    Some(read)
}
