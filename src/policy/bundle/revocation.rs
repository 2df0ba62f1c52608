//! `IamRevocation`.

use crate::model::{Arn, Timestamp};
use crate::policy::bundle::document_source::DocumentSource;
use crate::policy::fields::Fields;
use crate::policy::findings::Findings;
use crate::policy::node::{Mark, Node};
use crate::policy::{Revocation, Revoked, json};
use data_encoding::HEXLOWER;

/// The most that is revoked at once. An entry takes some 16 bytes.
const MAX_ENTRIES: usize = 2_000_000;
/// After so many faulty lines the rest is not read: the file is another one.
const MAX_TOLD: usize = 20;

/// Entries that stand in the document, and those of a `file` beside it, one JSON object a line.
pub(super) fn read(
    spec: &Node,
    documents: DocumentSource<'_>,
    findings: &mut Findings,
) -> Vec<Revocation> {
    let Some(mut fields) = Fields::of(spec, "`spec` of an IamRevocation", findings) else {
        return Vec::new();
    };
    let mark = fields.mark();
    let entries = fields.take("entries");
    let file = fields.take("file");
    fields.finish(findings);
    if entries.is_none() && file.is_none() {
        findings.error(
            "BND-3",
            mark,
            "an IamRevocation has `entries`, or a `file` of them",
        );
    }
    let mut read = Vec::new();
    if let Some(node) = entries {
        match node.items() {
            Some(items) => read.extend(items.iter().filter_map(|item| entry(item, findings))),
            None => findings.error("BND-5", node.mark, "`entries` is a list"),
        }
    }
    if let Some(node) = file
        && let Some((path, text)) = documents.text_of_file(node, "file", findings)
    {
        lines(&path, text, &mut read, findings);
    }
    if read.len() > MAX_ENTRIES {
        findings.error("REV-05", mark, "more than two million revocations");
    }
    read
}

pub(super) fn lines(path: &str, text: &str, read: &mut Vec<Revocation>, findings: &mut Findings) {
    let of_file = Findings::new(path);
    let before = findings.errors();
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        if findings.errors() - before > MAX_TOLD {
            return;
        }
        let line_number = u32::try_from(number).unwrap_or(u32::MAX).saturating_add(1);
        let mut inner = of_file.inside(Mark {
            line: line_number,
            column: 1,
        });
        match json::parse(line) {
            Ok(node) => read.extend(entry(&node, &mut inner)),
            Err(fault) => inner.syntax(fault),
        }
        findings.extend(inner.into_list());
    }
}

fn entry(node: &Node, findings: &mut Findings) -> Option<Revocation> {
    let mut fields = Fields::of(node, "a revocation", findings)?;
    let mark = node.mark;
    let mut found = Vec::new();
    if let Some((text, mark)) = fields.text("token", findings) {
        let id = HEXLOWER.decode(text.as_bytes()).ok();
        match id.and_then(|id| <[u8; 16]>::try_from(id).ok()) {
            Some(id) => found.push(Revoked::Token(id)),
            None => findings.error(
                "REV-03",
                mark,
                "the id of a token has 32 digits, `0` to `f`",
            ),
        }
    }
    if let Some((text, mark)) = fields.text("accessKey", findings) {
        if !text.starts_with("ASIA") && !text.starts_with("AKIA") {
            findings.error("REV-03", mark, "an access key begins with `ASIA` or `AKIA`");
        }
        found.push(Revoked::AccessKey(text.to_owned()));
    }
    let mut arn = |name: &'static str, kind: &[&str], make: fn(String) -> Revoked| {
        let (text, mark) = fields.text(name, findings)?;
        let is_kind = Arn::parse(text).is_ok_and(|arn| {
            let (first, _) = arn.resource().split_once('/').unwrap_or_default();
            kind.contains(&first)
        });
        if !is_kind {
            let message = format!("`{text}` is not the ARN of one");
            findings.error("REV-03", mark, message);
        }
        Some(make(text.to_owned()))
    };
    let session = arn(
        "session",
        &["assumed-role", "federated-user"],
        Revoked::Session,
    );
    let principal = arn("principal", &["role", "user"], Revoked::Principal);
    found.extend(session);
    found.extend(principal);
    let source = fields.text("sourceIdentity", findings);
    found.extend(source.map(|(text, _)| Revoked::SourceIdentity(text.to_owned())));
    let before = time("before", &mut fields, findings);
    let until = time("until", &mut fields, findings);
    fields.finish(findings);
    let mut found = found.into_iter();
    let (Some(what), None) = (found.next(), found.next()) else {
        let message = "a revocation has one of `token`, `accessKey`, `session`, `principal` and `sourceIdentity`";
        findings.error("REV-03", mark, message);
        return None;
    };
    Some(Revocation {
        what,
        before,
        until,
    })
}

fn time(name: &'static str, fields: &mut Fields<'_>, findings: &mut Findings) -> Option<Timestamp> {
    let (text, mark) = fields.text(name, findings)?;
    let parsed = Timestamp::parse(text);
    if parsed.is_err() {
        let message = format!("`{name}` is a time, such as `2026-01-31T12:00:00Z`");
        findings.error("REV-03", mark, message);
    }
    parsed.ok()
}
