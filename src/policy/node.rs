//! The tree that both JSON and YAML are read into: every value with its place.

/// Where a value begins, counted from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// Line.
    pub line: u32,
    /// Column in characters.
    pub column: u32,
}

impl Mark {
    /// The beginning of a file.
    pub const START: Self = Self { line: 1, column: 1 };
}

/// A value with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Where it begins.
    pub mark: Mark,
    /// What it is.
    pub value: Value,
}

/// A JSON or YAML value. Numbers keep their lexeme (DOC-7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it was written.
    Number(String),
    /// A string.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in the order of the text, without repeated names.
    Map(Vec<Member>),
}

/// One member of a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The name.
    pub name: String,
    /// Where the name begins.
    pub mark: Mark,
    /// The value.
    pub value: Node,
}

/// A text that is not a JSON or YAML document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxFault {
    /// The rule that it breaks.
    pub rule: &'static str,
    /// Where.
    pub mark: Mark,
    /// What is wrong.
    pub message: String,
}

impl Node {
    /// The string, if it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The members, if it is a mapping.
    #[must_use]
    pub fn members(&self) -> Option<&[Member]> {
        match &self.value {
            Value::Map(members) => Some(members),
            _ => None,
        }
    }

    /// The items, if it is a sequence.
    #[must_use]
    pub fn items(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// The value of the member `name`, if this is a mapping that has it.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Node> {
        self.members()?
            .iter()
            .find(|member| member.name == name)
            .map(|member| &member.value)
    }

    /// How long the value is as JSON without white space, in characters (LIM-1).
    #[must_use]
    pub fn characters(&self) -> usize {
        let quoted = |text: &str| text.chars().count() + 2;
        // One comma less than there are items, and two brackets.
        let enclosed = |inside: usize, items: usize| inside + items.saturating_sub(1) + 2;
        match &self.value {
            Value::Null | Value::Bool(true) => 4,
            Value::Bool(false) => 5,
            Value::Number(text) => text.len(),
            Value::Text(text) => quoted(text),
            Value::List(items) => enclosed(items.iter().map(Self::characters).sum(), items.len()),
            Value::Map(members) => {
                let inside = members
                    .iter()
                    .map(|member| quoted(&member.name) + 1 + member.value.characters());
                enclosed(inside.sum(), members.len())
            }
        }
    }

    /// The kind of value in words, for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::Text(_) => "a string",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}
