//! The few XML bodies of S3 that say what a request is about.
//!
//! Read in one pass, and only what every reader reads in the same way: elements of one namespace
//! without attributes, plain text in the innermost, no declarations but that of UTF-8, no comments
//! and no sections.

use super::super::body::BodyFault;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// The most objects that one request deletes.
const MAX_OBJECTS: usize = 1_000;
/// The most elements of a body that is read: a thousand objects with all that is said of each.
const MAX_ELEMENTS: usize = 8_000;
/// The longest body that is read, in bytes: a thousand objects with the longest keys.
const MAX_BYTES: usize = 2 << 20;
/// The longest text of an element, in bytes: blanks between a thousand objects.
const MAX_TEXT: usize = 64 * 1024;
/// The deepest nesting.
const MAX_DEPTH: usize = 8;
/// The namespace of S3, which bodies may name.
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// An object to be deleted, and its version where one is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Deletion {
    pub(super) key: String,
    pub(super) version: Option<String>,
}

/// An element with what is in it: other elements, or text.
#[derive(Debug)]
struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// Reads the beginning of an element.
    fn start(start: &BytesStart<'_>, is_root: bool) -> Result<Self, BodyFault> {
        let name = start.name();
        let name = name.as_ref();
        // A colon would make it one of another namespace.
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(BodyFault::Form);
        }
        let mut attributes = start.attributes();
        if let Some(attribute) = attributes.next() {
            let attribute = attribute.map_err(|_| BodyFault::Form)?;
            let is_namespace = attribute.key.as_ref() == "xmlns"
                && (attribute.value.is_empty() || *attribute.value == *NAMESPACE);
            if !is_root || !is_namespace || attributes.next().is_some() {
                return Err(BodyFault::Form);
            }
        }
        Ok(Self {
            name: name.to_owned(),
            text: String::new(),
            children: Vec::new(),
        })
    }

    /// Adds to its text.
    fn push(&mut self, text: &str) -> Result<(), BodyFault> {
        if self.text.len() + text.len() > MAX_TEXT {
            return Err(BodyFault::TooLong);
        }
        self.text.push_str(text);
        Ok(())
    }

    /// The elements in it, and nothing else but blanks between them.
    fn elements(&self) -> Result<&[Element], BodyFault> {
        if self.text.trim().is_empty() {
            Ok(&self.children)
        } else {
            Err(BodyFault::Form)
        }
    }

    /// The text in it, without blanks around it, which some readers cut off.
    fn text(&self) -> Result<&str, BodyFault> {
        let text = self.text.as_str();
        let is_plain =
            self.children.is_empty() && text.trim() == text && !text.chars().any(char::is_control);
        if is_plain {
            Ok(text)
        } else {
            Err(BodyFault::Form)
        }
    }
}

/// Reads a body; `name` is what its root has to be called.
fn parse(bytes: &[u8], name: &str) -> Result<Element, BodyFault> {
    if bytes.len() > MAX_BYTES {
        return Err(BodyFault::TooLong);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| BodyFault::Form)?;
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    let (mut count, mut is_first) = (0, true);
    loop {
        let event = reader.read_event().map_err(|_| BodyFault::Form)?;
        match event {
            Event::Decl(declaration) if is_first => match declaration.encoding() {
                None => {}
                Some(Ok(encoding)) if encoding.eq_ignore_ascii_case("utf-8") => {}
                Some(_) => return Err(BodyFault::Form),
            },
            Event::Start(start) => {
                count += 1;
                if count > MAX_ELEMENTS || open.len() == MAX_DEPTH || root.is_some() {
                    return Err(BodyFault::TooLong);
                }
                open.push(Element::start(&start, open.is_empty())?);
            }
            Event::Empty(start) => {
                count += 1;
                if count > MAX_ELEMENTS || root.is_some() {
                    return Err(BodyFault::TooLong);
                }
                let element = Element::start(&start, open.is_empty())?;
                match open.last_mut() {
                    Some(parent) => parent.children.push(element),
                    None => root = Some(element),
                }
            }
            Event::End(_) => {
                let element = open.pop().ok_or(BodyFault::Form)?;
                match open.last_mut() {
                    Some(parent) => parent.children.push(element),
                    None => root = Some(element),
                }
            }
            Event::Text(text) => match open.last_mut() {
                Some(element) => element.push(&text)?,
                None if text.trim().is_empty() => {}
                None => return Err(BodyFault::Form),
            },
            Event::GeneralRef(reference) => {
                let element = open.last_mut().ok_or(BodyFault::Form)?;
                let character = match reference.resolve_char_ref() {
                    Ok(Some(character)) => character,
                    Ok(None) => named(&reference)?,
                    Err(_) => return Err(BodyFault::Form),
                };
                element.push(character.encode_utf8(&mut [0; 4]))?;
            }
            Event::Eof => break,
            Event::Decl(_)
            | Event::DocType(_)
            | Event::PI(_)
            | Event::CData(_)
            | Event::Comment(_) => return Err(BodyFault::Form),
        }
        is_first = false;
    }
    let root = root.filter(|root| open.is_empty() && root.name == name);
    root.ok_or(BodyFault::Form)
}

/// The characters that XML gives names to.
fn named(name: &str) -> Result<char, BodyFault> {
    Ok(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => return Err(BodyFault::Form),
    })
}

/// Reads `Delete` of a request that deletes several objects.
pub(super) fn deletions(bytes: &[u8]) -> Result<Vec<Deletion>, BodyFault> {
    let root = parse(bytes, "Delete")?;
    let mut found = Vec::new();
    for element in root.elements()? {
        match element.name.as_str() {
            "Object" => found.push(deletion(element)?),
            "Quiet" => {
                element.text()?;
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

fn deletion(object: &Element) -> Result<Deletion, BodyFault> {
    let (mut key, mut version) = (None, None);
    for part in object.elements()? {
        let slot = match part.name.as_str() {
            "Key" => &mut key,
            "VersionId" => &mut version,
            // Conditions under which it is deleted: they take nothing away from what is asked.
            "ETag" | "LastModifiedTime" | "Size" => {
                part.text()?;
                continue;
            }
            _ => return Err(BodyFault::Form),
        };
        if slot.replace(part.text()?.to_owned()).is_some() {
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
    let root = parse(bytes, "Tagging")?;
    match root.elements()? {
        [set] if set.name == "TagSet" => tag_list(set),
        _ => Err(BodyFault::Form),
    }
}

fn tag_list(set: &Element) -> Result<Vec<(String, String)>, BodyFault> {
    let mut tags = Vec::new();
    for tag in set.elements()? {
        let [one, other] = tag.elements()? else {
            return Err(BodyFault::Form);
        };
        let (key, value) = match (tag.name.as_str(), one.name.as_str(), other.name.as_str()) {
            ("Tag", "Key", "Value") => (one.text()?, other.text()?),
            ("Tag", "Value", "Key") => (other.text()?, one.text()?),
            _ => return Err(BodyFault::Form),
        };
        tags.push((key.to_owned(), value.to_owned()));
    }
    Ok(tags)
}

/// Reads `RestoreRequest`, which may not ask for more than that an object is brought back.
pub(super) fn restoration(bytes: &[u8]) -> Result<(), BodyFault> {
    let root = parse(bytes, "RestoreRequest")?;
    for element in root.elements()? {
        match element.name.as_str() {
            "Days" | "Tier" | "Description" => {
                element.text()?;
            }
            "GlacierJobParameters" => {
                for part in element.elements()? {
                    part.text()?;
                }
            }
            _ => return Err(BodyFault::Form),
        }
    }
    Ok(())
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
    let root = parse(bytes, "CreateBucketConfiguration")?;
    let mut bucket = NewBucket::default();
    let mut seen: Vec<&str> = Vec::new();
    for element in root.elements()? {
        let name = element.name.as_str();
        if seen.contains(&name) {
            return Err(BodyFault::Ambiguous);
        }
        seen.push(name);
        match name {
            "LocationConstraint" => bucket.location = Some(element.text()?.to_owned()),
            "Tags" => bucket.tags = tag_list(element)?,
            _ => return Err(BodyFault::Form),
        }
    }
    Ok(bucket)
}

/// The texts of the elements right below the root, by name.
pub(super) fn flat(bytes: &[u8], root: &str) -> Result<Vec<(String, String)>, BodyFault> {
    let root = parse(bytes, root)?;
    let mut found: Vec<(String, String)> = Vec::new();
    for element in root.elements()? {
        if found.len() == MAX_DEPTH {
            return Err(BodyFault::TooLong);
        }
        if found.iter().any(|(known, _)| *known == element.name) {
            return Err(BodyFault::Ambiguous);
        }
        found.push((element.name.clone(), element.text()?.to_owned()));
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

    fn many(count: usize, piece: impl Fn(usize) -> String) -> String {
        (0..count).map(piece).collect::<Vec<_>>().concat()
    }

    #[test]
    fn what_takes_long_to_read_is_refused_at_once() {
        let attributes = many(40_000, |at| format!(" a{at}=\"\""));
        let names = many(3_000, |at| format!(" xmlns:a{at}=\"u\""));
        let deep = "<a>".repeat(100_000);
        let wide = "<z/>".repeat(100_000);
        for body in [
            format!("<Delete{attributes}/>"),
            format!(
                "<Delete{names}>{}</Delete>",
                "<z xmlns:b=\"v\"/>".repeat(3_000)
            ),
            deep,
            format!("<Delete>{wide}</Delete>"),
        ] {
            assert!(deletions(body.as_bytes()).is_err());
        }
        let children = many(20_000, |at| format!("<a{at}/>"));
        let flat = flat(
            format!("<Retention>{children}</Retention>").as_bytes(),
            "Retention",
        );
        assert_eq!(flat, Err(BodyFault::TooLong));
    }

    #[test]
    fn tags_are_what_every_reader_takes_for_tags() {
        let read =
            |inner: &str| tags(format!("<Tagging><TagSet>{inner}</TagSet></Tagging>").as_bytes());
        let good = "<Tag><Key>team</Key><Value>sales</Value></Tag>";
        assert_eq!(
            read(good).unwrap(),
            [("team".to_owned(), "sales".to_owned())]
        );
        for inner in [
            "<Fake><Key>team</Key><Value>sales</Value></Fake>",
            "<Tag>other<Key>team</Key><Value>sales</Value></Tag>",
            "<Tag><Key>team</Key></Tag>",
            "<Tag><Key>team</Key><Value>sales</Value><Value>x</Value></Tag>",
        ] {
            assert!(read(inner).is_err(), "{inner}");
        }
        let twice = "<CreateBucketConfiguration><Tags><Tag><Key>a</Key><Value>b</Value></Tag></Tags><Tags/></CreateBucketConfiguration>";
        assert_eq!(new_bucket(twice.as_bytes()), Err(BodyFault::Ambiguous));
    }
}
