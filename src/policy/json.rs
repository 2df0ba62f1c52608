//! The JSON layer of policy documents (DOC-1 to DOC-8).
//!
//! Stricter than a common JSON reader, and for reasons: repeated names are refused and not
//! overwritten, numbers keep their lexeme, every value keeps its place, and depth is bounded.

use crate::policy::node::{Mark, Member, Node, SyntaxFault, Value};
use std::collections::HashSet;

/// The deepest nesting that is read.
pub const MAX_DEPTH: usize = 64;

/// Reads one JSON document.
///
/// # Errors
///
/// [`SyntaxFault`] at the first place that is not strict JSON: a byte-order mark, trailing content,
/// a repeated name, a control character, an unpaired surrogate, nesting beyond [`MAX_DEPTH`].
pub fn parse(text: &str) -> Result<Node, SyntaxFault> {
    let mut parser = Parser {
        bytes: text.as_bytes(),
        text,
        at: 0,
        mark: Mark::START,
    };
    if text.starts_with('\u{feff}') {
        return Err(parser.fault("DOC-1", "a byte-order mark is not allowed"));
    }
    parser.skip_white_space();
    let node = parser.value(0)?;
    parser.skip_white_space();
    if parser.at < parser.bytes.len() {
        return Err(parser.fault("DOC-1", "nothing may follow the document"));
    }
    Ok(node)
}

struct Parser<'a> {
    bytes: &'a [u8],
    text: &'a str,
    at: usize,
    mark: Mark,
}

impl Parser<'_> {
    fn fault(&self, rule: &'static str, message: impl Into<String>) -> SyntaxFault {
        SyntaxFault {
            rule,
            mark: self.mark,
            message: message.into(),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Takes the byte at hand; columns count characters, so continuation bytes do not count.
    fn advance(&mut self) {
        if let Some(byte) = self.peek() {
            self.at += 1;
            if byte == b'\n' {
                self.mark = Mark {
                    line: self.mark.line + 1,
                    column: 1,
                };
            } else if byte & 0xc0 != 0x80 {
                self.mark.column += 1;
            }
        }
    }

    fn skip_white_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.advance();
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node, SyntaxFault> {
        if depth > MAX_DEPTH {
            return Err(self.fault("DOC-1", format!("nesting is deeper than {MAX_DEPTH}")));
        }
        let mark = self.mark;
        let value = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => Value::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => Value::Number(self.number()?),
            Some(b't') => self.word("true", Value::Bool(true))?,
            Some(b'f') => self.word("false", Value::Bool(false))?,
            Some(b'n') => self.word("null", Value::Null)?,
            Some(_) => return Err(self.fault("DOC-1", "a JSON value is expected here")),
            None => return Err(self.fault("DOC-1", "the document ends too early")),
        };
        Ok(Node { mark, value })
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, SyntaxFault> {
        if !self
            .bytes
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(word.as_bytes()))
        {
            return Err(self.fault("DOC-1", "a JSON value is expected here"));
        }
        for _ in word.bytes() {
            self.advance();
        }
        Ok(value)
    }

    fn object(&mut self, depth: usize) -> Result<Value, SyntaxFault> {
        self.advance();
        let mut members: Vec<Member> = Vec::new();
        let mut names = HashSet::new();
        self.skip_white_space();
        if self.peek() == Some(b'}') {
            self.advance();
            return Ok(Value::Map(members));
        }
        loop {
            let mark = self.mark;
            if self.peek() != Some(b'"') {
                return Err(self.fault("DOC-1", "a member name in double quotes is expected here"));
            }
            let name = self.string()?;
            if !names.insert(name.clone()) {
                let message = format!("the name `{name}` stands here for the second time");
                return Err(SyntaxFault {
                    rule: "DOC-2",
                    mark,
                    message,
                });
            }
            self.skip_white_space();
            if self.peek() != Some(b':') {
                return Err(self.fault("DOC-1", "`:` is expected here"));
            }
            self.advance();
            self.skip_white_space();
            let value = self.value(depth + 1)?;
            members.push(Member { name, mark, value });
            self.skip_white_space();
            match self.peek() {
                Some(b',') => {
                    self.advance();
                    self.skip_white_space();
                }
                Some(b'}') => {
                    self.advance();
                    return Ok(Value::Map(members));
                }
                _ => return Err(self.fault("DOC-1", "`,` or `}` is expected here")),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, SyntaxFault> {
        self.advance();
        let mut items = Vec::new();
        self.skip_white_space();
        if self.peek() == Some(b']') {
            self.advance();
            return Ok(Value::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.skip_white_space();
            match self.peek() {
                Some(b',') => {
                    self.advance();
                    self.skip_white_space();
                }
                Some(b']') => {
                    self.advance();
                    return Ok(Value::List(items));
                }
                _ => return Err(self.fault("DOC-1", "`,` or `]` is expected here")),
            }
        }
    }

    fn number(&mut self) -> Result<String, SyntaxFault> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.advance();
        }
        let leading_zero = self.peek() == Some(b'0');
        let whole = self.digits();
        if whole == 0 || (leading_zero && whole > 1) {
            return Err(self.fault("DOC-1", "this is not a JSON number"));
        }
        if self.peek() == Some(b'.') {
            self.advance();
            if self.digits() == 0 {
                return Err(self.fault("DOC-1", "digits are expected behind the point"));
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.advance();
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.advance();
            }
            if self.digits() == 0 {
                return Err(self.fault("DOC-1", "digits are expected in the exponent"));
            }
        }
        Ok(self.text.get(start..self.at).unwrap_or_default().to_owned())
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.advance();
        }
        self.at - start
    }

    fn string(&mut self) -> Result<String, SyntaxFault> {
        self.advance();
        let mut out = String::new();
        loop {
            let start = self.at;
            while matches!(self.peek(), Some(byte) if byte != b'"' && byte != b'\\' && byte >= 0x20)
            {
                self.advance();
            }
            out.push_str(self.text.get(start..self.at).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.advance();
                    return Ok(out);
                }
                Some(b'\\') => {
                    let escaped = self.escape()?;
                    out.push(escaped);
                }
                Some(_) => {
                    return Err(self.fault("DOC-5", "a control character stands in a string"));
                }
                None => return Err(self.fault("DOC-1", "a string is not closed")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, SyntaxFault> {
        self.advance();
        let escaped = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'b' | b'f') => {
                return Err(self.fault("DOC-5", "a control character stands in a string"));
            }
            Some(b'u') => return self.unicode_escape(),
            _ => return Err(self.fault("DOC-1", "this escape does not exist in JSON")),
        };
        self.advance();
        Ok(escaped)
    }

    fn unicode_escape(&mut self) -> Result<char, SyntaxFault> {
        let first = self.hex4()?;
        let code = match first {
            0xd800..=0xdbff => {
                if self.peek() != Some(b'\\') {
                    return Err(self.fault("DOC-1", "half a surrogate pair stands here"));
                }
                self.advance();
                if self.peek() != Some(b'u') {
                    return Err(self.fault("DOC-1", "half a surrogate pair stands here"));
                }
                let second = self.hex4()?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return Err(self.fault("DOC-1", "half a surrogate pair stands here"));
                }
                0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            _ => first,
        };
        let character = char::from_u32(code)
            .ok_or_else(|| self.fault("DOC-1", "half a surrogate pair stands here"))?;
        if character.is_control() && !matches!(character, '\t' | '\n' | '\r') {
            return Err(self.fault("DOC-5", "a control character stands in a string"));
        }
        Ok(character)
    }

    /// Takes the `u` at hand and the four digits behind it.
    fn hex4(&mut self) -> Result<u32, SyntaxFault> {
        self.advance();
        let mut code = 0;
        for _ in 0..4 {
            let digit = self
                .peek()
                .and_then(|byte| char::from(byte).to_digit(16))
                .ok_or_else(|| self.fault("DOC-1", "four hexadecimal digits are expected here"))?;
            code = code * 16 + digit;
            self.advance();
        }
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_json_is_read_and_nothing_else() {
        // (text, the rule it breaks)
        let cases = [
            (r#"{"a": [1, "x", true, null]}"#, None),
            (" 1.50 ", None),
            (r#""\u00e9\ud83d\ude00""#, None),
            ("\u{feff}{}", Some("DOC-1")),
            ("{} {}", Some("DOC-1")),
            (r#"{"a":1,}"#, Some("DOC-1")),
            ("[1,]", Some("DOC-1")),
            ("// x\n{}", Some("DOC-1")),
            (r#"{"a":1,"a":2}"#, Some("DOC-2")),
            (r#"{"x":{"a":1,"a":2}}"#, Some("DOC-2")),
            (r#"{"a":1,"\u0061":2}"#, Some("DOC-2")),
            ("\"a\u{1}b\"", Some("DOC-5")),
            (r#""a\u0000b""#, Some("DOC-5")),
            (r#""a\u0085b""#, Some("DOC-5")),
            (r#""\ud800""#, Some("DOC-1")),
            (r#""\udc00""#, Some("DOC-1")),
            ("01", Some("DOC-1")),
            ("1.", Some("DOC-1")),
            ("-", Some("DOC-1")),
            ("tru", Some("DOC-1")),
            ("", Some("DOC-1")),
            ("{'a':1}", Some("DOC-1")),
            ("\"a", Some("DOC-1")),
        ];
        for (text, rule) in cases {
            assert_eq!(parse(text).err().map(|fault| fault.rule), rule, "{text:?}");
        }
    }

    #[test]
    fn deep_nesting_is_a_fault_and_not_a_crash() {
        let deep = "[".repeat(100_000);
        assert_eq!(parse(&deep).unwrap_err().rule, "DOC-1");
    }

    #[test]
    fn numbers_keep_their_lexeme_and_values_their_place() {
        let node = parse("{\n  \"é\": 1.50\n}").unwrap();
        let member = &node.members().unwrap()[0];
        assert_eq!(
            member.value.value,
            Value::Number("1.50".to_owned()),
            "DOC-7"
        );
        assert_eq!(member.value.mark, Mark { line: 2, column: 8 });
    }
}
