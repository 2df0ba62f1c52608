//! Which names in a directory are part of a bundle.

use std::ffi::OsStr;

use crate::loader::error::SourceError;

/// The path of the entry `name` in the directory at `path`, which is empty for the root.
///
/// # Errors
///
/// [`SourceError::Name`] when the name is not UTF-8 or has a control character: such a path could
/// be mistaken for another one wherever it is shown.
pub(super) fn join(path: &str, name: &OsStr) -> Result<String, SourceError> {
    let join = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}/{name}")
        }
    };
    match name.to_str() {
        Some(text) if !text.chars().any(char::is_control) => Ok(join(text)),
        _ => Err(SourceError::Name {
            path: join(&name.to_string_lossy().escape_debug().to_string()),
        }),
    }
}

/// Whether a name is no part of a bundle: hidden, an editor's, or the file system's own (K2.5).
pub(super) fn is_ignored(name: &[u8]) -> bool {
    name.starts_with(b".")
        || name.ends_with(b"~")
        || name.ends_with(b".swp")
        || (name.len() > 1 && name.starts_with(b"#") && name.ends_with(b"#"))
        || name == b"lost+found"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_bundle_does_not_have_are_passed_over() {
        // (name, ignored)
        let cases = [
            ("a.yaml", false),
            ("a..b.yaml", false),
            ("a~b.yaml", false),
            ("#1.yaml", false),
            ("#", false),
            ("lost+found.yaml", false),
            ("swp", false),
            ("README", false),
            (".", true),
            ("..", true),
            ("..data", true),
            ("..2024_11_05_10_00_00.123", true),
            (".git", true),
            ("a.yaml~", true),
            ("#a.yaml#", true),
            ("##", true),
            (".a.yaml.swp", true),
            ("a.yaml.swp", true),
            ("lost+found", true),
        ];
        for (name, ignored) in cases {
            assert_eq!(is_ignored(name.as_bytes()), ignored, "`{name}`");
        }
    }
}
