//! Session tags that a token carries (CLM-04).

use crate::authn::json::{Json, Object};
use std::collections::BTreeSet;

/// The claim that holds session tags.
const CLAIM: &str = "https://aws.amazon.com/tags";
/// The most tags of one token (LIM-4).
const MAX_TAGS: usize = 50;
/// The longest name of a tag, in characters (LIM-4).
const MAX_KEY_CHARS: usize = 128;
/// The longest value of a tag, in characters (LIM-4).
const MAX_VALUE_CHARS: usize = 256;

/// The session tags of a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SessionTags {
    /// Names and values, in the order of the names.
    pub(super) tags: Vec<(String, String)>,
    /// The names of those that later sessions of a chain keep.
    pub(super) transitive: Vec<String>,
}

/// Why the session tags of a token are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagFault {
    /// The claim is not `{"principal_tags": {"K": ["V"]}, "transitive_tag_keys": ["K"]}`.
    #[error("the tags claim is not an object of one-value lists and a list of names")]
    Shape,
    /// The tags are spread over several claims, a form that is not read and so must not be ignored.
    #[error("tags in claims of their own are not supported")]
    Flattened,
    /// More tags than a session may have.
    #[error("more than {MAX_TAGS} tags")]
    TooMany,
    /// A name is empty, too long, reserved, or has a character that none may have.
    #[error("a tag's name is not 1 to {MAX_KEY_CHARS} allowed characters, or begins with `aws:`")]
    Key,
    /// A value is too long or has a character that none may have.
    #[error("a tag's value is not up to {MAX_VALUE_CHARS} allowed characters")]
    Value,
    /// Two names differ by case only (TAG-01).
    #[error("two tags have names that differ by case only")]
    Duplicate,
    /// A name that is to be transitive is not among the tags.
    #[error("a transitive tag is not among the tags")]
    Transitive,
}

impl SessionTags {
    /// Reads the tags of a token; without the claim there are none.
    pub(super) fn read(claims: &Object) -> Result<Self, TagFault> {
        let flattened = |name: &String| {
            name.strip_prefix(CLAIM)
                .is_some_and(|rest| rest.starts_with('/'))
        };
        if claims.keys().any(flattened) {
            return Err(TagFault::Flattened);
        }
        let members = match claims.get(CLAIM) {
            None => return Ok(Self::default()),
            Some(Json::Object(members)) => members,
            Some(_) => return Err(TagFault::Shape),
        };
        let mut read = Self::default();
        for (name, value) in members {
            match (name.as_str(), value) {
                ("principal_tags", Json::Object(tags)) => read.tags = principal_tags(tags)?,
                ("transitive_tag_keys", Json::List(names)) => read.transitive = texts(names)?,
                _ => return Err(TagFault::Shape),
            }
        }
        let known = folded(read.tags.iter().map(|(key, _)| key))?;
        let transitive = folded(&read.transitive)?;
        if transitive.is_subset(&known) {
            Ok(read)
        } else {
            Err(TagFault::Transitive)
        }
    }
}

fn principal_tags(members: &Object) -> Result<Vec<(String, String)>, TagFault> {
    if members.len() > MAX_TAGS {
        return Err(TagFault::TooMany);
    }
    let mut tags = Vec::with_capacity(members.len());
    for (key, value) in members {
        let value = match value {
            Json::List(values) => match values.as_slice() {
                [Json::Text(value)] => value,
                _ => return Err(TagFault::Shape),
            },
            _ => return Err(TagFault::Shape),
        };
        if key.is_empty() || !fits(key, MAX_KEY_CHARS) || key.to_lowercase().starts_with("aws:") {
            return Err(TagFault::Key);
        }
        if !fits(value, MAX_VALUE_CHARS) {
            return Err(TagFault::Value);
        }
        tags.push((key.clone(), value.clone()));
    }
    Ok(tags)
}

fn texts(entries: &[Json]) -> Result<Vec<String>, TagFault> {
    let text = |entry: &Json| match entry {
        Json::Text(text) => Ok(text.clone()),
        _ => Err(TagFault::Shape),
    };
    entries.iter().map(text).collect()
}

/// The names without case, each of which may be there once.
fn folded<'k>(keys: impl IntoIterator<Item = &'k String>) -> Result<BTreeSet<String>, TagFault> {
    let mut seen = BTreeSet::new();
    for key in keys {
        if !seen.insert(key.to_lowercase()) {
            return Err(TagFault::Duplicate);
        }
    }
    Ok(seen)
}

/// Whether a name or value has letters, digits, blanks and `_.:/=+-@` only, up to `max_chars`.
fn fits(text: &str, max_chars: usize) -> bool {
    let allowed = |character: char| {
        character.is_alphanumeric()
            || (character.is_whitespace() && !character.is_control())
            || "_.:/=+-@".contains(character)
    };
    text.chars().all(allowed) && text.chars().count() <= max_chars
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authn::json;

    fn read(claim: &str) -> Result<SessionTags, TagFault> {
        let claims = format!("{{\"{CLAIM}\":{claim}}}");
        SessionTags::read(&json::object(claims.as_bytes()).unwrap())
    }

    #[test]
    fn tags_are_read_with_their_names_and_values() {
        let read = read(
            r#"{"principal_tags":{"Team":["blue sky"],"Cost Centre":[""]},
                "transitive_tag_keys":["team"]}"#,
        );
        let tags = SessionTags {
            tags: vec![
                ("Cost Centre".to_owned(), String::new()),
                ("Team".to_owned(), "blue sky".to_owned()),
            ],
            transitive: vec!["team".to_owned()],
        };
        assert_eq!(read, Ok(tags), "CLM-04");
        assert_eq!(
            SessionTags::read(&Object::new()),
            Ok(SessionTags::default())
        );
    }

    #[test]
    fn tags_beyond_the_limits_are_refused() {
        let many = |count: usize| {
            let tags: Vec<String> = (0..count).map(|n| format!("\"k{n}\":[\"v\"]")).collect();
            format!("{{\"principal_tags\":{{{}}}}}", tags.join(","))
        };
        let tag =
            |key: &str, value: &str| format!("{{\"principal_tags\":{{\"{key}\":[\"{value}\"]}}}}");
        // (claim, fault)
        let cases = [
            (many(50), None),
            (many(51), Some(TagFault::TooMany)),
            (tag(&"k".repeat(128), &"v".repeat(256)), None),
            (tag(&"k".repeat(129), "v"), Some(TagFault::Key)),
            (tag("", "v"), Some(TagFault::Key)),
            (tag("aws:Team", "v"), Some(TagFault::Key)),
            (tag("AWS:Team", "v"), Some(TagFault::Key)),
            (tag("a*", "v"), Some(TagFault::Key)),
            (tag("a\\n", "v"), Some(TagFault::Key)),
            (tag("k", &"v".repeat(257)), Some(TagFault::Value)),
            (tag("k", "${aws:username}"), Some(TagFault::Value)),
            (tag("Größe", "1.5 m"), None),
            ("[]".to_owned(), Some(TagFault::Shape)),
            ("null".to_owned(), Some(TagFault::Shape)),
            (r#"{"principal_tags":[]}"#.to_owned(), Some(TagFault::Shape)),
            (
                r#"{"principal_tags":{"k":"v"}}"#.to_owned(),
                Some(TagFault::Shape),
            ),
            (
                r#"{"principal_tags":{"k":[]}}"#.to_owned(),
                Some(TagFault::Shape),
            ),
            (
                r#"{"principal_tags":{"k":["a","b"]}}"#.to_owned(),
                Some(TagFault::Shape),
            ),
            (
                r#"{"principal_tags":{"k":[1]}}"#.to_owned(),
                Some(TagFault::Shape),
            ),
            (
                r#"{"transitive_tag_keys":"k"}"#.to_owned(),
                Some(TagFault::Shape),
            ),
            (
                r#"{"transitive_tag_keys":[1]}"#.to_owned(),
                Some(TagFault::Shape),
            ),
            (
                r#"{"transitive_tag_keys":["k"]}"#.to_owned(),
                Some(TagFault::Transitive),
            ),
            (r#"{"other":1}"#.to_owned(), Some(TagFault::Shape)),
            (
                r#"{"principal_tags":{"Dept":["a"],"dept":["b"]}}"#.to_owned(),
                Some(TagFault::Duplicate),
            ),
            (
                r#"{"principal_tags":{"k":["a"]},"transitive_tag_keys":["k","K"]}"#.to_owned(),
                Some(TagFault::Duplicate),
            ),
        ];
        for (claim, fault) in cases {
            assert_eq!(read(&claim).err(), fault, "CLM-04, TAG-01: {claim}");
        }
    }

    #[test]
    fn tags_spread_over_claims_are_not_ignored() {
        let claims = br#"{"https://aws.amazon.com/tags/principal_tags/Team":["blue"]}"#;
        let claims = json::object(claims).unwrap();
        assert_eq!(
            SessionTags::read(&claims),
            Err(TagFault::Flattened),
            "CLM-04"
        );
    }
}
