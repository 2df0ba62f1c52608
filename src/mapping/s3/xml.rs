//! The few XML bodies of S3 that say what a request is about.

use super::super::body::BodyFault;
use roxmltree::{Document, Node, ParsingOptions};

/// The most objects that one request deletes.
const MAX_OBJECTS: usize = 1_000;
/// The most elements of a body that is read.
const MAX_NODES: u32 = 20_000;

/// An object to be deleted, and its version where one is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Deletion {
    pub(super) key: String,
    pub(super) version: Option<String>,
}

fn parse(bytes: &[u8]) -> Result<Document<'_>, BodyFault> {
    let text = std::str::from_utf8(bytes).map_err(|_| BodyFault::Form)?;
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: MAX_NODES,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(text, options).map_err(|_| BodyFault::Form)
}

/// The elements in `node`. Whatever else stands there, blanks apart, readers could read in
/// different ways.
fn elements<'d>(node: Node<'d, 'd>) -> Result<Vec<Node<'d, 'd>>, BodyFault> {
    let mut found = Vec::new();
    for child in node.children() {
        if child.is_element() {
            found.push(child);
        } else if !(child.is_text() && child.text().unwrap_or_default().trim().is_empty()) {
            return Err(BodyFault::Form);
        }
    }
    Ok(found)
}

fn name<'d>(node: Node<'d, 'd>) -> &'d str {
    node.tag_name().name()
}

/// The text in `node`: one piece, without comments in it and without blanks around it, which some
/// readers cut off.
fn text<'d>(node: Node<'d, 'd>) -> Result<&'d str, BodyFault> {
    let mut children = node.children();
    let text = match (children.next(), children.next()) {
        (None, _) => "",
        (Some(only), None) if only.is_text() => only.text().unwrap_or_default(),
        _ => return Err(BodyFault::Form),
    };
    if text.trim() != text || text.chars().any(char::is_control) {
        return Err(BodyFault::Form);
    }
    Ok(text)
}

/// Reads `Delete` of a request that deletes several objects.
pub(super) fn deletions(bytes: &[u8]) -> Result<Vec<Deletion>, BodyFault> {
    let document = parse(bytes)?;
    let root = document.root_element();
    if name(root) != "Delete" {
        return Err(BodyFault::Form);
    }
    let mut found = Vec::new();
    for element in elements(root)? {
        match name(element) {
            "Object" => found.push(deletion(element)?),
            "Quiet" => {
                text(element)?;
            }
            _ => return Err(BodyFault::Form),
        }
    }
    match found.len() {
        0 => Err(BodyFault::Missing),
        1..=MAX_OBJECTS => Ok(found),
        _ => Err(BodyFault::TooLong),
    }
}

fn deletion(object: Node<'_, '_>) -> Result<Deletion, BodyFault> {
    let (mut key, mut version) = (None, None);
    for part in elements(object)? {
        let slot = match name(part) {
            "Key" => &mut key,
            "VersionId" => &mut version,
            // Conditions under which it is deleted: they take nothing away from what is asked.
            "ETag" | "LastModifiedTime" | "Size" => {
                text(part)?;
                continue;
            }
            _ => return Err(BodyFault::Form),
        };
        if slot.replace(text(part)?.to_owned()).is_some() {
            return Err(BodyFault::Ambiguous);
        }
    }
    let key = key.filter(|key| !key.is_empty());
    Ok(Deletion {
        key: key.ok_or(BodyFault::Missing)?,
        version: version.filter(|version| !version.is_empty()),
    })
}

/// Reads `Tagging`: the tags of a bucket or an object.
pub(super) fn tags(bytes: &[u8]) -> Result<Vec<(String, String)>, BodyFault> {
    let document = parse(bytes)?;
    let root = document.root_element();
    let sets = elements(root)?;
    let [set] = sets.as_slice() else {
        return Err(BodyFault::Form);
    };
    if name(root) != "Tagging" || name(*set) != "TagSet" {
        return Err(BodyFault::Form);
    }
    tag_list(*set)
}

fn tag_list(set: Node<'_, '_>) -> Result<Vec<(String, String)>, BodyFault> {
    let mut tags = Vec::new();
    for tag in elements(set)? {
        let parts = elements(tag)?;
        let [one, other] = parts.as_slice() else {
            return Err(BodyFault::Form);
        };
        let (key, value) = match (name(*one), name(*other)) {
            ("Key", "Value") => (text(*one)?, text(*other)?),
            ("Value", "Key") => (text(*other)?, text(*one)?),
            _ => return Err(BodyFault::Form),
        };
        tags.push((key.to_owned(), value.to_owned()));
    }
    Ok(tags)
}

/// What `CreateBucketConfiguration` says: where the bucket is to be, and its tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NewBucket {
    pub(super) location: Option<String>,
    pub(super) tags: Vec<(String, String)>,
}

/// Reads `CreateBucketConfiguration`, or nothing.
pub(super) fn new_bucket(bytes: &[u8]) -> Result<NewBucket, BodyFault> {
    if bytes.is_empty() {
        return Ok(NewBucket::default());
    }
    let document = parse(bytes)?;
    let root = document.root_element();
    if name(root) != "CreateBucketConfiguration" {
        return Err(BodyFault::Form);
    }
    let mut bucket = NewBucket::default();
    for element in elements(root)? {
        match name(element) {
            "LocationConstraint" if bucket.location.is_none() => {
                bucket.location = Some(text(element)?.to_owned());
            }
            "Tags" => bucket.tags = tag_list(element)?,
            _ => return Err(BodyFault::Form),
        }
    }
    Ok(bucket)
}

/// The texts of the elements right below the root, by name; of those with elements in them none.
pub(super) fn flat(bytes: &[u8], root: &str) -> Result<Vec<(String, String)>, BodyFault> {
    let document = parse(bytes)?;
    if name(document.root_element()) != root {
        return Err(BodyFault::Form);
    }
    let mut found: Vec<(String, String)> = Vec::new();
    for element in elements(document.root_element())? {
        let key = name(element);
        if found.iter().any(|(known, _)| known == key) {
            return Err(BodyFault::Ambiguous);
        }
        found.push((key.to_owned(), text(element)?.to_owned()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deletions_are_read_in_one_way_or_not_at_all() {
        use BodyFault as F;
        let read = |inner: &str| {
            let body = format!(
                "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{inner}</Delete>"
            );
            let keys = deletions(body.as_bytes())?.into_iter().map(|deletion| {
                let version = deletion.version.map(|version| format!("@{version}"));
                format!("{}{}", deletion.key, version.unwrap_or_default())
            });
            Ok(keys.collect::<Vec<_>>().join(" "))
        };
        let cases = [
            ("<Object><Key>a</Key></Object>", Ok("a")),
            (
                "<Object><Key>a</Key></Object>\n <Object><VersionId>7</VersionId><Key>b/c</Key></Object><Quiet>true</Quiet>",
                Ok("a b/c@7"),
            ),
            ("<Object><Key>a&amp;b</Key></Object>", Ok("a&b")),
            ("", Err(F::Missing)),
            ("<Object></Object>", Err(F::Missing)),
            ("<Object><Key></Key></Object>", Err(F::Missing)),
            (
                "<Object><Key>a</Key><Key>b</Key></Object>",
                Err(F::Ambiguous),
            ),
            ("<Object><Key>a<!-- b --></Key></Object>", Err(F::Form)),
            ("<Object><Key> a</Key></Object>", Err(F::Form)),
            ("<Object><Key>a&#10;b</Key></Object>", Err(F::Form)),
            ("<Object><Key>a</Key><Kez>b</Kez></Object>", Err(F::Form)),
            ("<Object><Key>a</Key>b</Object>", Err(F::Form)),
            ("<!-- --><Object><Key>a</Key></Object>", Err(F::Form)),
            ("<object><Key>a</Key></object>", Err(F::Form)),
        ];
        for (inner, expected) in cases {
            assert_eq!(read(inner), expected.map(str::to_owned), "{inner}");
        }
        let dtd =
            "<!DOCTYPE d [<!ENTITY e \"x\">]><Delete><Object><Key>&e;</Key></Object></Delete>";
        assert_eq!(deletions(dtd.as_bytes()), Err(F::Form));
    }
}
