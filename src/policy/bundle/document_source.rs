//! The three ways to give a policy document: a mapping, AWS JSON in a string, or a file.

use crate::model::AccountId;
use crate::policy::findings::Findings;
use crate::policy::node::{Mark, Node};
use crate::policy::{Keys, Policy, PolicyKind, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where documents come from while one file is read.
#[derive(Clone, Copy)]
pub(super) struct DocumentSource<'a> {
    pub(super) file: &'a Arc<str>,
    pub(super) files: &'a BTreeMap<&'a str, &'a [u8]>,
    pub(super) keys: &'a Keys,
    pub(super) partitions: &'a BTreeMap<AccountId, String>,
}

impl DocumentSource<'_> {
    /// The partition of an account; `aws` for one that is not declared.
    pub(super) fn partition(&self, account: AccountId) -> &str {
        self.partitions.get(&account).map_or("aws", String::as_str)
    }

    /// A policy under a member that may hold it in any of the three ways.
    pub(super) fn policy(
        &self,
        node: &Node,
        kind: PolicyKind,
        findings: &mut Findings,
    ) -> Option<Arc<Policy>> {
        let members = node.members().unwrap_or_default();
        match members {
            [only] if only.name == "documentJson" => {
                self.policy_of_json(&only.value, kind, findings)
            }
            [only] if only.name == "documentFile" => {
                self.policy_of_file(&only.value, kind, findings)
            }
            _ => Policy::parse(node, kind, self.keys, findings).map(Arc::new),
        }
    }

    /// A policy as the text of a JSON document.
    pub(super) fn policy_of_json(
        &self,
        node: &Node,
        kind: PolicyKind,
        findings: &mut Findings,
    ) -> Option<Arc<Policy>> {
        let Some(text) = node.text() else {
            let message = format!("`documentJson` is a string, not {}", node.kind());
            findings.error("BND-5", node.mark, message);
            return None;
        };
        let mut inner = findings.inside(node.mark);
        let policy = match json::parse(text) {
            Ok(document) => Policy::parse(&document, kind, self.keys, &mut inner),
            Err(fault) => {
                inner.syntax(fault);
                None
            }
        };
        findings.extend(inner.into_list());
        policy.map(Arc::new)
    }

    /// A policy in a JSON file beside the document.
    pub(super) fn policy_of_file(
        &self,
        node: &Node,
        kind: PolicyKind,
        findings: &mut Findings,
    ) -> Option<Arc<Policy>> {
        let (path, text) = self.text_of_file(node, "documentFile", findings)?;
        let mut other = Findings::new(path);
        let policy = match json::parse(text) {
            Ok(document) => Policy::parse(&document, kind, self.keys, &mut other),
            Err(fault) => {
                other.syntax(fault);
                None
            }
        };
        findings.extend(other.into_list());
        policy.map(Arc::new)
    }

    /// Path and text of a file of the bundle that a member names.
    pub(super) fn text_of_file(
        &self,
        node: &Node,
        member: &str,
        findings: &mut Findings,
    ) -> Option<(String, &str)> {
        let Some(written) = node.text() else {
            let message = format!("`{member}` is a string, not {}", node.kind());
            findings.error("BND-5", node.mark, message);
            return None;
        };
        let found = resolve(self.file, written)
            .and_then(|path| self.files.get(path.as_str()).map(|bytes| (path, *bytes)));
        let Some((path, bytes)) = found else {
            let message = format!("the bundle has no file `{written}`");
            let hint = "the path is relative to this file and stays inside the bundle";
            findings.error_with_hint("BND-8", node.mark, message, hint);
            return None;
        };
        if let Ok(text) = std::str::from_utf8(bytes) {
            return Some((path, text));
        }
        let mut other = Findings::new(path);
        other.error("BND-1", Mark::START, "the file is not UTF-8 text");
        findings.extend(other.into_list());
        None
    }
}

/// The path in the bundle that `written` in the file `from` means; `None` outside the bundle.
pub(super) fn resolve(from: &str, written: &str) -> Option<String> {
    if written.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in written.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_beside_its_document_and_nowhere_else() {
        let cases = [
            ("roles/a.yaml", "read.json", Some("roles/read.json")),
            ("a.yaml", "./docs/read.json", Some("docs/read.json")),
            ("roles/a.yaml", "../read.json", Some("read.json")),
            ("a.yaml", "../read.json", None),
            ("a.yaml", "/etc/passwd", None),
        ];
        for (from, written, expected) in cases {
            assert_eq!(
                resolve(from, written).as_deref(),
                expected,
                "{written} in {from}"
            );
        }
    }
}
