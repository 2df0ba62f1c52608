//! `manifest.json`: which files a bundle should have, and with what content (K2.11).
//!
//! A bundle that comes in several pieces has no moment at which all of them change; its manifest
//! keeps a half-arrived set from being taken for a whole one.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Digest, Files};
use crate::loader::error::SourceError;

/// Where a manifest stands: at the root, and nowhere else.
const PATH: &str = "manifest.json";

/// The whole of a manifest; a path is written as in [`File::path`](super::File::path).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    files: BTreeMap<String, String>,
}

/// Holds the files against their manifest, if they have one, and takes it from among them.
///
/// # Errors
///
/// - [`SourceError::ManifestShape`] when the manifest has something other than paths and hashes.
/// - [`SourceError::ManifestMismatch`], [`SourceError::ManifestMissing`] and
///   [`SourceError::ManifestUnlisted`] when files and manifest do not agree exactly.
pub(super) fn check(files: Files) -> Result<Files, SourceError> {
    let Some(text) = files.bytes_of(PATH).filter(|text| is_manifest(text)) else {
        return Ok(files);
    };
    let manifest: Manifest =
        serde_json::from_slice(text).map_err(|error| SourceError::ManifestShape {
            line: error.line(),
            column: error.column(),
        })?;
    let mut entries = files.entries;
    entries.retain(|entry| entry.path != PATH);
    let files = Files::new(entries);
    agree(&manifest, &files)?;
    Ok(files)
}

/// Whether a `manifest.json` is meant as a manifest. It may as well be a bundle document, for the
/// field calls those manifests too; and what is no JSON at all is left to the parser of documents,
/// which refuses it with its place.
fn is_manifest(text: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(text).is_ok_and(|value| {
        value.get("files").is_some()
            && value.get("apiVersion").is_none()
            && value.get("kind").is_none()
    })
}

fn agree(manifest: &Manifest, files: &Files) -> Result<(), SourceError> {
    if let Some(path) = manifest
        .files
        .keys()
        .find(|path| files.bytes_of(path).is_none())
    {
        return Err(SourceError::ManifestMissing { path: path.clone() });
    }
    for entry in &files.entries {
        let path = entry.path.clone();
        let Some(stated) = manifest.files.get(&path) else {
            return Err(SourceError::ManifestUnlisted { path });
        };
        if !Digest::of(&entry.bytes)
            .to_string()
            .eq_ignore_ascii_case(stated)
        {
            return Err(SourceError::ManifestMismatch { path });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::File;
    use super::*;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    /// The paths that are left, or what is wrong.
    type Outcome<'a> = Result<Vec<&'a str>, &'static str>;

    fn checked(manifest: &str, paths: &[&str]) -> Result<Vec<String>, &'static str> {
        let mut entries = vec![File {
            path: PATH.to_owned(),
            bytes: manifest.into(),
        }];
        entries.extend(paths.iter().map(|path| File {
            path: (*path).to_owned(),
            bytes: b"abc".to_vec(),
        }));
        match check(Files::new(entries)) {
            Ok(files) => Ok(files.entries.into_iter().map(|entry| entry.path).collect()),
            Err(SourceError::ManifestShape { .. }) => Err("shape"),
            Err(SourceError::ManifestMismatch { .. }) => Err("mismatch"),
            Err(SourceError::ManifestMissing { .. }) => Err("missing"),
            Err(SourceError::ManifestUnlisted { .. }) => Err("unlisted"),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_set_is_taken_when_it_is_exactly_what_its_manifest_says() {
        let upper = ABC.to_uppercase();
        let one = format!(r#"{{"files":{{"a.yaml":"{ABC}"}}}}"#);
        let one_upper = format!(r#"{{"files":{{"a.yaml":"{upper}"}}}}"#);
        let two = format!(r#"{{"files":{{"a.yaml":"{ABC}","d/b.yaml":"{ABC}"}}}}"#);
        let wrong = one.replace('b', "c");
        let extra = format!(r#"{{"files":{{"a.yaml":"{ABC}"}},"version":1}}"#);
        // (manifest, files, outcome)
        let cases: [(&str, &[&str], Outcome<'_>); 11] = [
            (&one, &["a.yaml"], Ok(vec!["a.yaml"])),
            (&one_upper, &["a.yaml"], Ok(vec!["a.yaml"])),
            (
                &two,
                &["a.yaml", "d/b.yaml"],
                Ok(vec!["a.yaml", "d/b.yaml"]),
            ),
            (&one, &["a.yaml", "d/b.yaml"], Err("unlisted")),
            (&two, &["a.yaml"], Err("missing")),
            (&wrong, &["a.yaml"], Err("mismatch")),
            (
                r#"{"files":{"a.yaml":"ba78"}}"#,
                &["a.yaml"],
                Err("mismatch"),
            ),
            (r#"{"files":{}}"#, &[], Ok(vec![])),
            (&extra, &["a.yaml"], Err("shape")),
            (r#"{"files":["a.yaml"]}"#, &["a.yaml"], Err("shape")),
            (r#"{"files":{"a.yaml":null}}"#, &["a.yaml"], Err("shape")),
        ];
        for (manifest, paths, expected) in cases {
            let expected = expected.map(|paths| paths.into_iter().map(str::to_owned).collect());
            assert_eq!(
                checked(manifest, paths),
                expected,
                "{manifest} on {paths:?}"
            );
        }
    }

    #[test]
    fn a_document_called_manifest_json_stays_a_document() {
        let cases = [
            r#"{"apiVersion":"sidegate.dev/v1alpha1","kind":"IamUser","files":{}}"#,
            r#"{"Version":"2012-10-17","Statement":[]}"#,
            r"[]",
            r#"{"files":{"#,
            "",
        ];
        for text in cases {
            assert_eq!(checked(text, &[]), Ok(vec![PATH.to_owned()]), "{text}");
        }
    }
}
