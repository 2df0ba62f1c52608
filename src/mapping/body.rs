//! The body of a call, where a protocol puts into it what the call is about.

use super::query::Query;
use crate::model::{Body, HttpCall};
use crate::policy::node::{Node, Value};
use crate::policy::{PathMode, json};
use bytes::Bytes;
use std::borrow::Cow;

/// The longest body that is read, in bytes: AWS takes a form of 256 KiB, and `DynamoDB` a batch of
/// 16 MiB, of which no more than Envoy buffers by default is shown here.
const MAX_BYTES: usize = 4 << 20;

/// Why a body that has to be read cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum BodyFault {
    /// Not all of it was shown (rule 45).
    #[error("the body is not at hand: the proxy has to send whole bodies along, as bytes")]
    Unknown,
    /// Longer than what is read.
    #[error("the body is too long")]
    TooLong,
    /// It is compressed, or encoded otherwise.
    #[error("the body is encoded, and only its plain form is read")]
    Encoded,
    /// It is not what the protocol says.
    #[error("the body is not what its protocol demands")]
    Form,
    /// Its type is none of the protocol's.
    #[error("the content type is none that the protocol has")]
    Type,
    /// Something in it names what the call is about in a way that the operation does not take.
    #[error("the body names what it is about in a way that `without` of the operation refuses")]
    Unwanted,
    /// Something in it is there twice, or under a name that differs in letter case alone.
    #[error("something in the body is there twice, or under a name like another")]
    Ambiguous,
    /// What names the resource is not there.
    #[error("the body does not say what it is about")]
    Missing,
    /// What names the resource is no name.
    #[error("a name in the body has characters that no name has")]
    Name,
}

impl BodyFault {
    /// One word of a closed set, for metrics and the decision log.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::TooLong => "too_long",
            Self::Encoded => "encoded",
            Self::Form => "form",
            Self::Type => "type",
            Self::Unwanted => "unwanted",
            Self::Ambiguous => "ambiguous",
            Self::Missing => "missing",
            Self::Name => "name",
        }
    }
}

/// The bytes of the body as the upstream will read them.
pub(super) fn plain(call: &HttpCall) -> Result<&Bytes, BodyFault> {
    // `aws-chunked` and compression alike put other bytes there than are meant.
    let encoding = call.headers.single("content-encoding");
    if !matches!(encoding, Ok(None | Some("" | "identity"))) {
        return Err(BodyFault::Encoded);
    }
    match &call.body {
        Body::Unknown => Err(BodyFault::Unknown),
        Body::Known(bytes) if bytes.len() > MAX_BYTES => Err(BodyFault::TooLong),
        Body::Known(bytes) => Ok(bytes),
    }
}

/// A body that was read.
#[derive(Debug)]
pub(super) enum Document<'c> {
    Form(Query<'c>),
    Json(Node),
}

impl<'c> Document<'c> {
    /// Reads a form: pairs in which `+` is a blank.
    pub(super) fn form(text: &'c str) -> Result<Self, BodyFault> {
        Query::read_form(text)
            .map(Self::Form)
            .map_err(|_| BodyFault::Form)
    }

    /// Reads a JSON object.
    pub(super) fn json(bytes: &[u8]) -> Result<Self, BodyFault> {
        let text = std::str::from_utf8(bytes).map_err(|_| BodyFault::Form)?;
        let node = json::parse(text).map_err(|_| BodyFault::Form)?;
        match node.value {
            Value::Map(_) => Ok(Self::Json(node)),
            _ => Err(BodyFault::Form),
        }
    }
}

/// Where in a body something stands: in JSON `A.B`, `A[].B` for each item of a list, `A{}` for the
/// names of the members; in a form the name of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BodyPath {
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    name: Box<str>,
    each: Each,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Each {
    Itself,
    Item,
    Name,
}

impl BodyPath {
    /// Reads a path; `None` for what is none.
    pub(super) fn parse(text: &str, is_form: bool) -> Option<Self> {
        let is_name = |name: &str| {
            let fits =
                |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
            !name.is_empty() && name.bytes().all(fits)
        };
        let step = |text: &str| {
            let (name, each) = if let Some(name) = text.strip_suffix("[]") {
                (name, Each::Item)
            } else if let Some(name) = text.strip_suffix("{}") {
                (name, Each::Name)
            } else {
                (text, Each::Itself)
            };
            is_name(name).then(|| Step {
                name: name.into(),
                each,
            })
        };
        if is_form {
            return is_name(text).then(|| Self {
                steps: vec![Step {
                    name: text.into(),
                    each: Each::Itself,
                }],
            });
        }
        let steps: Option<Vec<Step>> = text.split('.').map(step).collect();
        let steps = steps?;
        // Names of members are texts, in which nothing stands.
        let (_, inner) = steps.split_last()?;
        let is_whole = inner.iter().all(|step| step.each != Each::Name);
        is_whole.then_some(Self { steps })
    }

    /// The names that stand there, as texts: servers read numbers in more than one way.
    ///
    /// # Errors
    ///
    /// As [`values`](Self::values), and for what is no text.
    pub(super) fn names<'d>(
        &self,
        document: &'d Document<'_>,
    ) -> Result<Vec<Cow<'d, str>>, BodyFault> {
        if let Document::Json(root) = document {
            let mut found = Vec::new();
            walk(root, &self.steps, true, &mut found)?;
            return Ok(found);
        }
        self.values(document)
    }

    /// What stands there; nothing where it is absent.
    ///
    /// # Errors
    ///
    /// [`BodyFault`] for what is there in two ways, or of another type.
    pub(super) fn values<'d>(
        &self,
        document: &'d Document<'_>,
    ) -> Result<Vec<Cow<'d, str>>, BodyFault> {
        match document {
            Document::Form(form) => {
                let name = self.steps.first().map(|step| &*step.name);
                let values = form.values(name.unwrap_or_default(), PathMode::Raw);
                let values = values.map_err(|_| BodyFault::Ambiguous)?;
                if values.len() > 1 {
                    return Err(BodyFault::Ambiguous);
                }
                Ok(values
                    .into_iter()
                    .map(|text| Cow::Owned(text.into()))
                    .collect())
            }
            Document::Json(root) => {
                let mut found = Vec::new();
                walk(root, &self.steps, false, &mut found)?;
                Ok(found)
            }
        }
    }
}

fn walk<'d>(
    node: &'d Node,
    steps: &[Step],
    texts_alone: bool,
    found: &mut Vec<Cow<'d, str>>,
) -> Result<(), BodyFault> {
    let Some((step, behind)) = steps.split_first() else {
        return match &node.value {
            Value::Number(_) | Value::Bool(_) if texts_alone => Err(BodyFault::Name),
            Value::Text(text) | Value::Number(text) => {
                found.push(Cow::Borrowed(text));
                Ok(())
            }
            Value::Bool(value) => {
                found.push(Cow::Borrowed(if *value { "true" } else { "false" }));
                Ok(())
            }
            Value::Null => Ok(()),
            Value::List(_) | Value::Map(_) => Err(BodyFault::Form),
        };
    };
    let members = node.members().ok_or(BodyFault::Form)?;
    let mut value = None;
    for member in members {
        if *member.name == *step.name {
            value = Some(&member.value);
        } else if member.name.eq_ignore_ascii_case(&step.name) {
            // Some servers would take it for the other.
            return Err(BodyFault::Ambiguous);
        }
    }
    let Some(value) = value.filter(|value| value.value != Value::Null) else {
        return Ok(());
    };
    match step.each {
        Each::Itself => walk(value, behind, texts_alone, found),
        Each::Item => {
            for item in value.items().ok_or(BodyFault::Form)? {
                walk(item, behind, texts_alone, found)?;
            }
            Ok(())
        }
        Each::Name => {
            let members = value.members().ok_or(BodyFault::Form)?;
            found.extend(members.iter().map(|member| Cow::Borrowed(&*member.name)));
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_says_what_it_is_about_in_one_way_or_not_at_all() {
        let read = |path: &str, body: &str| {
            let document = Document::json(body.as_bytes())?;
            let values = BodyPath::parse(path, false).unwrap().values(&document)?;
            Ok(values
                .into_iter()
                .map(Cow::into_owned)
                .collect::<Vec<_>>()
                .join(" "))
        };
        let cases = [
            ("A", r#"{"A":"x"}"#, Ok("x")),
            ("A", r#"{"A":7}"#, Ok("7")),
            ("A", r#"{"B":"x"}"#, Ok("")),
            ("A", r#"{"A":null}"#, Ok("")),
            ("A.B", r#"{"A":{"B":"x"}}"#, Ok("x")),
            ("A[].B", r#"{"A":[{"B":"x"},{},{"B":"y"}]}"#, Ok("x y")),
            ("A{}", r#"{"A":{"x":{},"y":{}}}"#, Ok("x y")),
            ("A", r#"{"A":["x"]}"#, Err(BodyFault::Form)),
            ("A[]", r#"{"A":"x"}"#, Err(BodyFault::Form)),
            ("A", r#"{"A":"x","A":"y"}"#, Err(BodyFault::Form)),
            ("A", r#"{"A":"x","a":"y"}"#, Err(BodyFault::Ambiguous)),
            ("A", r#"{"a":"y"}"#, Err(BodyFault::Ambiguous)),
            ("A", r#"["A"]"#, Err(BodyFault::Form)),
            ("A", "", Err(BodyFault::Form)),
        ];
        for (path, body, expected) in cases {
            assert_eq!(
                read(path, body),
                expected.map(str::to_owned),
                "{path} {body}"
            );
        }
        for path in ["", "A..B", "A{}.B", "A[][]", "A B", "[]"] {
            assert_eq!(BodyPath::parse(path, false), None, "{path}");
        }
    }
}
