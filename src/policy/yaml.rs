//! The YAML layer of the bundle.
//!
//! Reads YAML 1.2 into the same tree as JSON. Anchors, aliases, tags and merge keys are refused:
//! a policy must say what it says where it stands, and an alias can be grown without bound.

use crate::policy::json::MAX_DEPTH;
use crate::policy::node::{Mark, Member, Node, SyntaxFault, Value};
use saphyr_parser::{Event, Parser, ScalarStyle};
use std::collections::HashSet;

/// Reads all documents of a YAML text; empty documents are left out.
///
/// # Errors
///
/// [`SyntaxFault`] at the first place that is not YAML, or uses what is refused here.
pub fn parse_all(text: &str) -> Result<Vec<Node>, SyntaxFault> {
    let mut documents = Vec::new();
    let mut builder = Builder {
        open: Vec::new(),
        root: None,
    };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| SyntaxFault {
            rule: "YAML",
            mark: mark(error.marker().line(), error.marker().col()),
            message: error.info().to_lowercase(),
        })?;
        let at = mark(span.start.line(), span.start.col());
        if let Event::DocumentEnd = event {
            documents.extend(builder.root.take().filter(|root| root.value != Value::Null));
        } else {
            builder.take(event, at)?;
        }
    }
    Ok(documents)
}

fn mark(line: usize, column: usize) -> Mark {
    Mark {
        line: u32::try_from(line).unwrap_or(u32::MAX).max(1),
        column: u32::try_from(column).unwrap_or(u32::MAX).saturating_add(1),
    }
}

/// A collection that has begun and not ended.
enum Open {
    List(Mark, Vec<Node>),
    Map {
        mark: Mark,
        members: Vec<Member>,
        names: HashSet<String>,
        name: Option<(String, Mark)>,
    },
}

struct Builder {
    open: Vec<Open>,
    root: Option<Node>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, at: Mark) -> Result<(), SyntaxFault> {
        match event {
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
            Event::Alias(_) => Err(fault(at, "aliases are not allowed: write the value out")),
            Event::Scalar(text, style, anchor, tag) => {
                refuse_decoration(anchor, tag.is_some(), at)?;
                self.push(Node {
                    mark: at,
                    value: scalar(&text, style),
                })
            }
            Event::SequenceStart(anchor, tag) => {
                refuse_decoration(anchor, tag.is_some(), at)?;
                self.begin(Open::List(at, Vec::new()), at)
            }
            Event::MappingStart(anchor, tag) => {
                refuse_decoration(anchor, tag.is_some(), at)?;
                let map = Open::Map {
                    mark: at,
                    members: Vec::new(),
                    names: HashSet::new(),
                    name: None,
                };
                self.begin(map, at)
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List(mark, items)) => self.push(Node {
                    mark,
                    value: Value::List(items),
                }),
                Some(Open::Map { mark, members, .. }) => self.push(Node {
                    mark,
                    value: Value::Map(members),
                }),
                None => Err(fault(at, "a collection ends that did not begin")),
            },
        }
    }

    fn begin(&mut self, open: Open, at: Mark) -> Result<(), SyntaxFault> {
        if self.open.len() >= MAX_DEPTH {
            return Err(fault(at, format!("nesting is deeper than {MAX_DEPTH}")));
        }
        self.open.push(open);
        Ok(())
    }

    fn push(&mut self, node: Node) -> Result<(), SyntaxFault> {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List(_, items)) => items.push(node),
            Some(Open::Map {
                members,
                names,
                name,
                ..
            }) => match name.take() {
                Some((name, mark)) => members.push(Member {
                    name,
                    mark,
                    value: node,
                }),
                None => *name = Some(key(node, names)?),
            },
        }
        Ok(())
    }
}

fn key(node: Node, names: &mut HashSet<String>) -> Result<(String, Mark), SyntaxFault> {
    let name = match node.value {
        Value::Text(text) | Value::Number(text) => text,
        Value::Bool(value) => value.to_string(),
        Value::Null | Value::List(_) | Value::Map(_) => {
            return Err(fault(node.mark, "a member name must be a string"));
        }
    };
    if name == "<<" {
        return Err(fault(
            node.mark,
            "merge keys are not allowed: write the members out",
        ));
    }
    if !names.insert(name.clone()) {
        let message = format!("the name `{name}` stands here for the second time");
        return Err(SyntaxFault {
            rule: "DOC-2",
            mark: node.mark,
            message,
        });
    }
    Ok((name, node.mark))
}

fn refuse_decoration(anchor: usize, tagged: bool, at: Mark) -> Result<(), SyntaxFault> {
    if anchor != 0 {
        return Err(fault(at, "anchors are not allowed: write the value out"));
    }
    if tagged {
        return Err(fault(at, "tags are not allowed"));
    }
    Ok(())
}

fn fault(mark: Mark, message: impl Into<String>) -> SyntaxFault {
    SyntaxFault {
        rule: "YAML",
        mark,
        message: message.into(),
    }
}

/// Gives a plain scalar the type of the YAML 1.2 core schema; a quoted one is a string.
fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::Text(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ if is_number(text) => Value::Number(text.to_owned()),
        _ => Value::Text(text.to_owned()),
    }
}

fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    if let Some(hex) = text.strip_prefix("0x") {
        return !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return !octal.is_empty() && octal.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    exponent_fits && digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_scalars_have_core_types_and_places() {
        let text = "a: 210000000001\nb: '210000000001'\nc: [true, no, ~, 1.50, -3e2]\n";
        let document = parse_all(text).unwrap().remove(0);
        let members = document.members().unwrap();
        assert_eq!(
            members[0].value.value,
            Value::Number("210000000001".to_owned())
        );
        assert_eq!(
            members[1].value.value,
            Value::Text("210000000001".to_owned())
        );
        assert_eq!(members[1].value.mark, Mark { line: 2, column: 4 });
        let values: Vec<Value> = members[2]
            .value
            .items()
            .unwrap()
            .iter()
            .map(|item| item.value.clone())
            .collect();
        let expected = [
            Value::Bool(true),
            Value::Text("no".to_owned()),
            Value::Null,
            Value::Number("1.50".to_owned()),
            Value::Number("-3e2".to_owned()),
        ];
        assert_eq!(values, expected);
    }

    #[test]
    fn several_documents_stand_in_one_file() {
        assert_eq!(parse_all("a: 1\n---\nb: 2\n---\n").unwrap().len(), 2);
        assert_eq!(parse_all("# nothing\n").unwrap().len(), 0);
    }

    #[test]
    fn what_hides_meaning_is_refused() {
        let cases = [
            "a: &x 1\nb: *x\n",
            "a: !!str 1\n",
            "a: 1\na: 2\n",
            "<<: {a: 1}\n",
            "? [a]\n: 1\n",
            "a: [1\n",
            "a: {b: 1\n",
        ];
        for text in cases {
            assert!(parse_all(text).is_err(), "{text:?}");
        }
        let deep = "[".repeat(10_000);
        assert!(parse_all(&deep).is_err());
    }
}
