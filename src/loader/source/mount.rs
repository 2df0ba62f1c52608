//! Sees mounts that will never show an update (K2.8).
//!
//! A file or directory that is mounted by `subPath` out of a `ConfigMap` or Secret stays what it
//! was when the pod started. The system's table of mounts gives it away: the mount's root lies
//! inside one of the hidden version directories of the kubelet, whose names begin with `..`.

use std::fmt;
use std::io::Read as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};

use super::Limits;
use super::fault::Fault;
use super::tree::Tree;
use crate::loader::error::SourceError;

/// The mounts of this process, as Linux tells them; elsewhere there is no such file.
const TABLE: &str = "/proc/self/mountinfo";

/// The most of the table that is read, in bytes.
const TABLE_BYTES: u64 = 4 << 20;

/// A mount in a bundle that never changes while the pod runs. Displays as a warning for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrozenMount {
    /// Where it is mounted.
    pub path: PathBuf,
}

impl fmt::Display for FrozenMount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "`{}` is mounted by `subPath` from a ConfigMap or Secret, and never changes while the \
             pod runs: mount the whole volume",
            self.path.display()
        )
    }
}

/// The mounts at, above or below a bundle directory that will never show an update.
///
/// For a warning at the start. Where the system has no table of mounts, there are none.
///
/// # Errors
///
/// - [`SourceError::SingleFile`] when `directory` is a file.
/// - [`SourceError::NotADirectory`] or [`SourceError::Unreadable`] when it cannot be opened.
pub fn inspect(directory: &Path) -> Result<Vec<FrozenMount>, SourceError> {
    Tree::open(directory, &Limits::default()).map_err(Fault::into_error)?;
    let directory = directory
        .canonicalize()
        .unwrap_or_else(|_| directory.to_owned());
    Ok(frozen(&table().unwrap_or_default(), &directory))
}

fn table() -> Option<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let handle = rustix::fs::openat(CWD, TABLE, flags, Mode::empty()).ok()?;
    let mut text = Vec::new();
    std::fs::File::from(handle)
        .take(TABLE_BYTES)
        .read_to_end(&mut text)
        .ok()?;
    Some(text)
}

/// One line of the table.
struct Mount {
    root: PathBuf,
    point: PathBuf,
}

impl Mount {
    /// The fourth and fifth field; see `proc_pid_mountinfo(5)`.
    fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line.split(|byte| *byte == b' ').skip(3);
        let root = unescape(fields.next()?);
        let point = unescape(fields.next()?);
        Some(Self { root, point })
    }

    fn is_frozen(&self) -> bool {
        self.root.components().any(|component| match component {
            Component::Normal(name) => name.as_encoded_bytes().starts_with(b".."),
            _ => false,
        })
    }
}

fn frozen(table: &[u8], directory: &Path) -> Vec<FrozenMount> {
    let mounts: Vec<Mount> = table
        .split(|byte| *byte == b'\n')
        .filter_map(Mount::parse)
        .collect();
    // Of the mounts at or above the directory, the nearest is the one that the directory is on; of
    // two on the same point, the later covers the earlier.
    let own = mounts
        .iter()
        .filter(|mount| directory.starts_with(&mount.point))
        .max_by_key(|mount| mount.point.components().count());
    let below = mounts
        .iter()
        .filter(|mount| mount.point != directory && mount.point.starts_with(directory));
    own.into_iter()
        .chain(below)
        .filter(|mount| mount.is_frozen())
        .map(|mount| FrozenMount {
            path: mount.point.clone(),
        })
        .collect()
}

/// Undoes the table's escapes: a backslash and three octal digits for a blank, tab, line end or
/// backslash.
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let escaped = (*first == b'\\')
            .then(|| after.split_at_checked(3))
            .flatten()
            .and_then(|(digits, after)| Some((octal(digits)?, after)));
        let (byte, after) = escaped.unwrap_or((*first, after));
        bytes.push(byte);
        rest = after;
    }
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

fn octal(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = r"22 1 0:20 / / rw,relatime - overlay overlay rw
30 22 8:1 /pods/7/kubernetes.io~configmap/whole /etc/whole ro - ext4 /dev/sda1 rw
31 22 8:1 /pods/7/part/..2024_11_05_10_00_00.1/a.yaml /etc/mixed/a.yaml ro - ext4 /dev/sda1 rw
32 22 0:44 /..2024_11_05_10_00_00.2/policies /etc/my\040policies ro - tmpfs tmpfs rw
33 22 8:1 /exports/a..b /etc/dots rw - ext4 /dev/sda1 rw
34 22 8:1 /var/lib/x/..2023_01_01_00_00_00.9 /etc/covered ro - ext4 /dev/sda1 rw
35 22 0:45 / /etc/covered ro - tmpfs tmpfs rw
broken line
";

    #[test]
    fn a_sub_path_mount_of_a_versioned_volume_is_found() {
        // (bundle directory, frozen mounts)
        let cases: [(&str, &[&str]); 8] = [
            ("/etc/whole", &[]),
            ("/etc/mixed", &["/etc/mixed/a.yaml"]),
            ("/etc/my policies", &["/etc/my policies"]),
            ("/etc/my policies/deeper", &["/etc/my policies"]),
            ("/etc/dots", &[]),
            ("/etc/covered", &[]),
            ("/elsewhere", &[]),
            ("/etc/mix", &[]),
        ];
        for (directory, expected) in cases {
            let paths: Vec<_> = frozen(TABLE.as_bytes(), Path::new(directory))
                .into_iter()
                .map(|mount| mount.path)
                .collect();
            let expected: Vec<_> = expected.iter().map(PathBuf::from).collect();
            assert_eq!(paths, expected, "{directory}");
        }
    }

    #[test]
    fn escapes_in_the_table_are_undone() {
        let cases = [
            (r"/a\040b", "/a b"),
            (r"/a\134b", r"/a\b"),
            (r"/a\04", r"/a\04"),
            (r"/a\999", r"/a\999"),
            (r"/a\", r"/a\"),
        ];
        for (field, path) in cases {
            assert_eq!(unescape(field.as_bytes()), PathBuf::from(path), "{field}");
        }
    }
}
