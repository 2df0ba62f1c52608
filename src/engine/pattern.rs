//! Matching of patterns, with policy variables put in as literal text (GLOB-1 to GLOB-4, VAR-6).

use crate::model::{Context, ContextKey, ContextValue};
use crate::policy::template::{Template, Token};
use icu_casemap::CaseMapper;
use smallvec::SmallVec;

/// A pattern in the cheapest form that says the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    /// Matches everything.
    Any,
    /// Matches one text.
    Literal(Box<str>),
    /// Matches what begins with a text.
    Prefix(Box<str>),
    /// Wildcards anywhere.
    Glob(Box<[Token]>),
    /// Variables somewhere.
    Variable(Box<[Token]>),
}

/// One piece of a pattern whose variables are resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Text(&'a str),
    One,
    Many,
}

/// The pieces of a pattern.
pub(super) type Pieces<'a> = SmallVec<[Piece<'a>; 8]>;

/// Why a pattern has no pieces for a request (VAR-7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hole {
    /// A variable's key is absent or empty and has no default.
    Unresolved,
    /// A variable's key is unknown or has several values.
    Undetermined,
}

impl Pattern {
    pub(super) fn compile(template: &Template) -> Self {
        if template.has_variable() {
            return Self::Variable(template.tokens.as_slice().into());
        }
        match template.tokens.as_slice() {
            [] => Self::Literal("".into()),
            [Token::Literal(text)] => Self::Literal(text.as_str().into()),
            [Token::Many] => Self::Any,
            [Token::Literal(text), Token::Many] => Self::Prefix(text.as_str().into()),
            tokens => Self::Glob(tokens.into()),
        }
    }

    /// Compiles a text in which only `*` and `?` are special.
    pub(super) fn compile_glob(text: &str) -> Self {
        let syntax = crate::policy::template::Syntax {
            wildcards: true,
            variables: false,
        };
        match Template::parse(text, syntax) {
            Ok(template) => Self::compile(&template),
            // Without variables nothing can be malformed; were it so, nothing may match.
            Err(_) => Self::Glob(Box::default()),
        }
    }

    /// How much memory it takes beside itself, in bytes.
    pub(super) fn text_bytes(&self) -> usize {
        match self {
            Self::Any => 0,
            Self::Literal(text) | Self::Prefix(text) => text.len(),
            Self::Glob(tokens) | Self::Variable(tokens) => {
                // Each literal is a text of its own; few are longer.
                size_of_val(&**tokens) + 16 * tokens.len()
            }
        }
    }

    /// Whether the pattern covers the whole of `text`.
    pub(super) fn matches(&self, text: &str, context: &Context) -> Result<bool, Hole> {
        Ok(match self {
            Self::Any => true,
            Self::Literal(literal) => **literal == *text,
            Self::Prefix(prefix) => text.starts_with(&**prefix),
            Self::Glob(tokens) => covers(&plain(tokens), text),
            Self::Variable(tokens) => covers(&resolve(tokens, context)?, text),
        })
    }

    /// As [`matches`](Self::matches) for a pattern that has no variables by construction.
    pub(super) fn matches_plain(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Literal(literal) => **literal == *text,
            Self::Prefix(prefix) => text.starts_with(&**prefix),
            Self::Glob(tokens) => covers(&plain(tokens), text),
            Self::Variable(_) => false,
        }
    }
}

/// The pieces of tokens among which there is no variable.
fn plain(tokens: &[Token]) -> Pieces<'_> {
    tokens
        .iter()
        .filter_map(|token| match token {
            Token::Literal(text) => Some(Piece::Text(text)),
            Token::One => Some(Piece::One),
            Token::Many => Some(Piece::Many),
            Token::Variable { .. } => None,
        })
        .collect()
}

/// Puts the values of variables in, each as literal text.
pub(super) fn resolve<'a>(tokens: &'a [Token], context: &'a Context) -> Result<Pieces<'a>, Hole> {
    let mut pieces = Pieces::with_capacity(tokens.len());
    let mut hole = None;
    for token in tokens {
        match token {
            Token::Literal(text) => pieces.push(Piece::Text(text)),
            Token::One => pieces.push(Piece::One),
            Token::Many => pieces.push(Piece::Many),
            Token::Variable { key, default } => {
                match variable(key, default.as_deref(), context) {
                    Ok(text) => pieces.push(Piece::Text(text)),
                    // An undetermined variable outweighs an unresolved one, wherever it stands.
                    Err(Hole::Undetermined) => return Err(Hole::Undetermined),
                    Err(Hole::Unresolved) => hole = Some(Hole::Unresolved),
                }
            }
        }
    }
    match hole {
        Some(hole) => Err(hole),
        None => Ok(pieces),
    }
}

fn variable<'a>(
    key: &ContextKey,
    default: Option<&'a str>,
    context: &'a Context,
) -> Result<&'a str, Hole> {
    match context.get(key) {
        Some(ContextValue::Unknown) => Err(Hole::Undetermined),
        Some(ContextValue::Values(values)) => match values.as_slice() {
            [value] if !value.is_empty() => Ok(value),
            [] | [_] => default.ok_or(Hole::Unresolved),
            _ => Err(Hole::Undetermined),
        },
        None => default.ok_or(Hole::Unresolved),
    }
}

/// Whether the pieces cover the whole of `text`: greedy, going back to the last `*` only, so the
/// cost is at most pattern times text (GLOB-2).
pub(super) fn covers(pieces: &[Piece<'_>], text: &str) -> bool {
    let mut rest = text;
    let mut at = 0;
    // Where the last `*` stands, and the text that it has not yet taken.
    let mut star: Option<(usize, &str)> = None;
    loop {
        let taken = match pieces.get(at) {
            Some(Piece::Many) => {
                star = Some((at, rest));
                at += 1;
                continue;
            }
            Some(Piece::One) => after_first(rest),
            Some(Piece::Text(literal)) => rest.strip_prefix(literal),
            None if rest.is_empty() => return true,
            None => None,
        };
        if let Some(behind) = taken {
            rest = behind;
            at += 1;
            continue;
        }
        let Some((position, from)) = star else {
            return false;
        };
        let Some(behind) = after_first(from) else {
            return false;
        };
        star = Some((position, behind));
        rest = behind;
        at = position + 1;
    }
}

fn after_first(text: &str) -> Option<&str> {
    let mut characters = text.chars();
    characters.next().map(|_| characters.as_str())
}

/// Whether the pieces, which hold no wildcards, spell `text` when case is ignored (OP-1: Unicode
/// simple case folding).
pub(super) fn spells_ignoring_case(pieces: &[Piece<'_>], text: &str) -> bool {
    let mapper = CaseMapper::new();
    let spelt = pieces.iter().flat_map(|piece| match piece {
        Piece::Text(text) => text.chars(),
        Piece::One | Piece::Many => "".chars(),
    });
    spelt
        .map(|c| mapper.simple_fold(c))
        .eq(text.chars().map(|c| mapper.simple_fold(c)))
}

/// Splits pieces at the first five colons, wherever they come from, for the comparison of ARNs
/// after substitution (OP-17). `None` when there are fewer.
pub(super) fn split_arn<'a>(pieces: &[Piece<'a>]) -> Option<[Pieces<'a>; 6]> {
    let mut components: [Pieces<'a>; 6] = Default::default();
    let mut at = 0;
    for piece in pieces {
        let Piece::Text(mut text) = *piece else {
            components.get_mut(at)?.push(*piece);
            continue;
        };
        while at < 5
            && let Some((before, behind)) = text.split_once(':')
        {
            components.get_mut(at)?.push(Piece::Text(before));
            at += 1;
            text = behind;
        }
        components.get_mut(at)?.push(Piece::Text(text));
    }
    (at == 5).then_some(components)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::template::Syntax;

    fn pattern(text: &str) -> Pattern {
        let syntax = Syntax {
            wildcards: true,
            variables: true,
        };
        Pattern::compile(&Template::parse(text, syntax).unwrap())
    }

    #[test]
    fn a_pattern_matches_the_whole_value() {
        // (pattern, candidate, matches)
        let cases = [
            ("reports/*", "reports/2024/q1", true),
            ("reports/*", "old/reports/2024", false),
            ("*", "", true),
            ("?", "", false),
            ("??", "é1", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-", false),
            ("*a", "ba", true),
            ("*a*", "bab", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*?", "", false),
            ("*?", "x", true),
            ("a", "a", true),
            ("a", "A", false),
            ("", "", true),
            ("", "a", false),
            ("**", "anything", true),
            ("a${*}b", "a*b", true),
            ("a${*}b", "axxb", false),
            ("*ab*ab", "ababab", true),
            ("[a-z]", "b", false),
            ("\\*", "\\x", true),
        ];
        for (text, candidate, matches) in cases {
            let got = pattern(text).matches(candidate, &Context::new()).unwrap();
            assert_eq!(got, matches, "GLOB-1: pattern `{text}` on `{candidate}`");
        }
    }

    #[test]
    fn a_hostile_pattern_costs_no_more_than_its_product() {
        let text = "a".repeat(4096);
        let hostile = format!("{}b", "a*".repeat(1000));
        assert!(!pattern(&hostile).matches_plain(&text), "GLOB-2");
    }

    #[test]
    fn a_value_is_literal_text() {
        let mut context = Context::new();
        context.set("aws:PrincipalTag/team", "*");
        context.set("a:empty", "");
        context.set("a:dollar", "${aws:PrincipalTag/team}");
        context.set_all("a:two", ["x".into(), "y".into()]);
        context.set_unknown("a:unknown");
        // (pattern, candidate, result)
        let cases = [
            ("${aws:PrincipalTag/team}/x", "*/x", Ok(true)),
            ("${aws:PrincipalTag/team}/x", "red/x", Ok(false)),
            ("${a:dollar}", "${aws:PrincipalTag/team}", Ok(true)),
            ("${a:absent}", "", Err(Hole::Unresolved)),
            ("${a:empty}", "", Err(Hole::Unresolved)),
            ("${a:empty, 'd'}", "d", Ok(true)),
            ("${a:absent, '*'}", "x", Ok(false)),
            ("${a:two, 'd'}", "d", Err(Hole::Undetermined)),
            ("${a:unknown, 'd'}", "d", Err(Hole::Undetermined)),
            ("${a:absent}${a:unknown}", "", Err(Hole::Undetermined)),
        ];
        for (text, candidate, expected) in cases {
            let got = pattern(text).matches(candidate, &context);
            assert_eq!(
                got, expected,
                "GLOB-4, VAR-6, VAR-7: `{text}` on `{candidate}`"
            );
        }
    }
}
