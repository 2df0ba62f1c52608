//! Texts with wildcards, policy variables and escapes (GLOB-1, GLOB-3, VAR-1).

use crate::model::ContextKey;

/// A text as a sequence of tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Template {
    /// The tokens in order; literals are never empty and never adjacent.
    pub tokens: Vec<Token>,
}

/// One token of a [`Template`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Token {
    /// Characters that stand for themselves.
    Literal(String),
    /// `?`: exactly one character.
    One,
    /// `*`: any characters, or none.
    Many,
    /// `${name}` or `${name, 'default'}`: the value of a context key, always literal (GLOB-4).
    Variable {
        /// The context key.
        key: ContextKey,
        /// What stands in when the key is absent or empty.
        default: Option<String>,
    },
}

/// Which characters of a text are special.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Syntax {
    /// Whether `*` and `?` are wildcards.
    pub wildcards: bool,
    /// Whether `${…}` is a variable or an escape: not in 2008-10-17 documents (DOC-12).
    pub variables: bool,
}

/// Why a text with variables cannot be read (VAR-1, VAR-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTemplate {
    /// `${` without `}`.
    #[error("`${{` is not closed by `}}`")]
    Unclosed,
    /// Nothing, or something that is not a key name, between the braces.
    #[error("the variable's name is empty or holds a space, quote, brace or `$`")]
    Name,
    /// A default that is not `, 'text'`.
    #[error("a default is written `${{name, 'text'}}`")]
    Default,
}

impl Template {
    /// Reads a text.
    ///
    /// # Errors
    ///
    /// [`InvalidTemplate`] when `syntax` has variables and one is malformed.
    pub fn parse(text: &str, syntax: Syntax) -> Result<Self, InvalidTemplate> {
        let mut tokens = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            if syntax.variables
                && let Some(inside) = rest.strip_prefix("${")
            {
                let (token, behind) = braces(inside)?;
                match token {
                    Braces::Escape(character) => literal.push(character),
                    Braces::Variable(variable) => {
                        flush(&mut literal, &mut tokens);
                        tokens.push(variable);
                    }
                }
                rest = behind;
                continue;
            }
            match character {
                '*' if syntax.wildcards => {
                    flush(&mut literal, &mut tokens);
                    // Two in a row mean the same as one.
                    if tokens.last() != Some(&Token::Many) {
                        tokens.push(Token::Many);
                    }
                }
                '?' if syntax.wildcards => {
                    flush(&mut literal, &mut tokens);
                    tokens.push(Token::One);
                }
                _ => literal.push(character),
            }
            rest = rest.get(character.len_utf8()..).unwrap_or_default();
        }
        flush(&mut literal, &mut tokens);
        Ok(Self { tokens })
    }

    /// Whether a variable stands in it.
    #[must_use]
    pub fn has_variable(&self) -> bool {
        self.variables().next().is_some()
    }

    /// The keys of its variables.
    pub fn variables(&self) -> impl Iterator<Item = &ContextKey> {
        self.tokens.iter().filter_map(|token| match token {
            Token::Variable { key, .. } => Some(key),
            Token::Literal(_) | Token::One | Token::Many => None,
        })
    }

    /// Whether a wildcard stands in it.
    #[must_use]
    pub fn has_wildcard(&self) -> bool {
        self.tokens
            .iter()
            .any(|token| matches!(token, Token::One | Token::Many))
    }

    /// The text, when there is neither wildcard nor variable in it.
    #[must_use]
    pub fn as_literal(&self) -> Option<&str> {
        match self.tokens.as_slice() {
            [] => Some(""),
            [Token::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// Splits at the first `count - 1` colons that stand in literals; a colon inside `${…}` does
    /// not separate (ARN-2). `None` when there are fewer.
    #[must_use]
    pub fn split_at_colons(&self, count: usize) -> Option<Vec<Template>> {
        let mut parts = Vec::with_capacity(count);
        let mut part = Template::default();
        for token in &self.tokens {
            let Token::Literal(text) = token else {
                part.tokens.push(token.clone());
                continue;
            };
            let mut text = text.as_str();
            while parts.len() + 1 < count
                && let Some((before, behind)) = text.split_once(':')
            {
                if !before.is_empty() {
                    part.tokens.push(Token::Literal(before.to_owned()));
                }
                parts.push(std::mem::take(&mut part));
                text = behind;
            }
            if !text.is_empty() {
                part.tokens.push(Token::Literal(text.to_owned()));
            }
        }
        parts.push(part);
        (parts.len() == count).then_some(parts)
    }
}

fn flush(literal: &mut String, tokens: &mut Vec<Token>) {
    if !literal.is_empty() {
        tokens.push(Token::Literal(std::mem::take(literal)));
    }
}

enum Braces {
    Escape(char),
    Variable(Token),
}

/// Reads what stands behind `${`; the second part of the answer is what follows the brace.
fn braces(inside: &str) -> Result<(Braces, &str), InvalidTemplate> {
    for escaped in ['*', '?', '$'] {
        if let Some(behind) = inside
            .strip_prefix(escaped)
            .and_then(|rest| rest.strip_prefix('}'))
        {
            return Ok((Braces::Escape(escaped), behind));
        }
    }
    let (content, behind) = inside.split_once('}').ok_or(InvalidTemplate::Unclosed)?;
    let (name, default) = match content.split_once(',') {
        Some((name, default)) => (name, Some(quoted(default)?)),
        None => (content, None),
    };
    let odd = |c: char| c.is_whitespace() || matches!(c, '$' | '{' | '\'' | '"' | '*' | '?');
    if name.is_empty() || name.contains(odd) {
        return Err(InvalidTemplate::Name);
    }
    let variable = Token::Variable {
        key: ContextKey::new(name),
        default,
    };
    Ok((Braces::Variable(variable), behind))
}

fn quoted(text: &str) -> Result<String, InvalidTemplate> {
    let inner = text
        .strip_prefix(' ')
        .map(|rest| rest.trim_start_matches(' '))
        .and_then(|rest| rest.strip_prefix('\''))
        .and_then(|rest| rest.strip_suffix('\''))
        .ok_or(InvalidTemplate::Default)?;
    if inner.contains('\'') || inner.contains("${") {
        return Err(InvalidTemplate::Default);
    }
    Ok(inner.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Syntax = Syntax {
        wildcards: true,
        variables: true,
    };
    const OLD: Syntax = Syntax {
        wildcards: true,
        variables: false,
    };

    fn literal(text: &str) -> Token {
        Token::Literal(text.to_owned())
    }

    fn variable(key: &str, default: Option<&str>) -> Token {
        Token::Variable {
            key: ContextKey::new(key),
            default: default.map(str::to_owned),
        }
    }

    #[test]
    fn texts_are_read_into_tokens() {
        let cases = [
            (
                "a*b?",
                ALL,
                vec![literal("a"), Token::Many, literal("b"), Token::One],
            ),
            ("a**b", ALL, vec![literal("a"), Token::Many, literal("b")]),
            ("a${*}b${?}${$}", ALL, vec![literal("a*b?$")]),
            ("$x", ALL, vec![literal("$x")]),
            (
                "home/${aws:username}/*",
                ALL,
                vec![
                    literal("home/"),
                    variable("aws:username", None),
                    literal("/"),
                    Token::Many,
                ],
            ),
            (
                "${AWS:UserName,  'no one'}",
                ALL,
                vec![variable("aws:username", Some("no one"))],
            ),
            // DOC-12: in a 2008 document nothing but the wildcard is special.
            ("${*}", OLD, vec![literal("${"), Token::Many, literal("}")]),
            ("${aws:username}", OLD, vec![literal("${aws:username}")]),
        ];
        for (text, syntax, expected) in cases {
            assert_eq!(
                Template::parse(text, syntax).unwrap().tokens,
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn malformed_variables_are_refused() {
        let cases = [
            ("${aws:username", InvalidTemplate::Unclosed),
            ("${}", InvalidTemplate::Name),
            ("${a b}", InvalidTemplate::Name),
            ("${a${b}}", InvalidTemplate::Name),
            ("${a,'x'}", InvalidTemplate::Default),
            ("${a, x}", InvalidTemplate::Default),
            ("${a, 'x}", InvalidTemplate::Default),
            ("${a, 'x'y'}", InvalidTemplate::Default),
        ];
        for (text, fault) in cases {
            assert_eq!(
                Template::parse(text, ALL),
                Err(fault),
                "VAR-1, VAR-3: {text}"
            );
        }
    }

    #[test]
    fn a_colon_in_a_variable_does_not_separate() {
        let template = Template::parse("arn:aws:files:::${aws:username}:x", ALL).unwrap();
        let parts = template.split_at_colons(6).unwrap();
        assert_eq!(
            parts[5].tokens,
            [variable("aws:username", None), literal(":x")],
            "ARN-2"
        );
        assert_eq!(parts[3].tokens, []);
        assert!(template.split_at_colons(9).is_none());
    }
}
