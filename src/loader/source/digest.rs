//! The name of a content: SHA-256.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};

use super::{File, length};

/// A SHA-256 digest; displays as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; SHA256_OUTPUT_LEN]);

impl Digest {
    /// The digest of a sequence of bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new();
        hasher.add_bare(bytes);
        hasher.finish()
    }

    /// The digest's 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; SHA256_OUTPUT_LEN] {
        &self.0
    }

    /// The digest of a set of files, which are sorted by path. Each path and each content comes
    /// after its own length, so that no two sets give the same sequence.
    pub(super) fn of_files(entries: &[File]) -> Self {
        let mut hasher = Hasher::new();
        for entry in entries {
            hasher.add(entry.path.as_bytes());
            hasher.add(&entry.bytes);
        }
        hasher.finish()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(formatter, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// A digest in the making.
pub(super) struct Hasher(Context);

impl Hasher {
    pub(super) fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    /// Adds one item behind its length, which is eight bytes, the most significant first.
    pub(super) fn add(&mut self, item: &[u8]) {
        self.add_bare(&length(item).to_be_bytes());
        self.add_bare(item);
    }

    fn add_bare(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(super) fn finish(self) -> Digest {
        let digest = self.0.finish();
        // INVARIANT: both sides have `SHA256_OUTPUT_LEN` bytes.
        let mut bytes = [0; SHA256_OUTPUT_LEN];
        for (to, from) in bytes.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        Digest(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_the_standard_sha_256() {
        // FIPS 180-4, the one-block example "abc".
        assert_eq!(
            Digest::of(b"abc").to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn where_a_name_ends_and_a_content_begins_changes_the_digest() {
        let file = |path: &str, bytes: &[u8]| File {
            path: path.to_owned(),
            bytes: bytes.to_owned(),
        };
        let sets = [
            vec![],
            vec![file("ab", b"c")],
            vec![file("a", b"bc")],
            vec![file("ab", b""), file("c", b"")],
            vec![file("ab", b"c"), file("", b"")],
        ];
        for (index, left) in sets.iter().enumerate() {
            for right in sets.iter().skip(index + 1) {
                assert_ne!(Digest::of_files(left), Digest::of_files(right));
            }
        }
    }
}
