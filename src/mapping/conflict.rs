//! How two matchers relate, and which pairs of routes leave a call's meaning open.
//!
//! Of two routes that match one call, the narrower decides: the one whose calls are all calls of
//! the other, too. Where neither is, a third route that is exactly their overlap decides; without
//! one the table does not compile. So the meaning of a call never hangs on the order of routes.

use super::matcher::{HttpMatcher, Piece};
use crate::policy::PathMode;

/// How the calls of one matcher relate to those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    /// No call is matched by both.
    Disjoint,
    /// Both match the same calls.
    Same,
    /// One of them matches a part of what the other matches.
    Nested,
    /// Both match calls that the other does not, and share some.
    Crossing,
}

/// Which of the two is narrower, as far as seen.
#[derive(Clone, Copy, Debug, Default)]
struct Narrower {
    left: bool,
    right: bool,
}

impl Narrower {
    fn relation(self) -> Relation {
        match (self.left, self.right) {
            (false, false) => Relation::Same,
            (true, true) => Relation::Crossing,
            (true, false) | (false, true) => Relation::Nested,
        }
    }
}

/// How `left` relates to `right` where paths are read by `mode`.
pub(super) fn relate(left: &HttpMatcher, right: &HttpMatcher, mode: PathMode) -> Relation {
    let mut narrower = Narrower::default();
    match (&left.method, &right.method) {
        (Some(one), Some(other)) if one != other => return Relation::Disjoint,
        (Some(_), None) => narrower.left = true,
        (None, Some(_)) => narrower.right = true,
        (Some(_), Some(_)) | (None, None) => {}
    }
    let mut lefts = left.pieces.iter();
    let mut rights = right.pieces.iter();
    loop {
        match (lefts.next(), rights.next()) {
            (None, None) | (Some(Piece::Rest(_)), Some(Piece::Rest(_))) => break,
            (None, Some(_)) | (Some(_), None) => return Relation::Disjoint,
            (Some(Piece::Rest(_)), Some(_)) => {
                narrower.right = true;
                break;
            }
            (Some(_), Some(Piece::Rest(_))) => {
                narrower.left = true;
                break;
            }
            (Some(Piece::Literal(one)), Some(Piece::Literal(other))) => {
                if one != other {
                    return Relation::Disjoint;
                }
            }
            (Some(Piece::Literal(_)), Some(Piece::Variable(_))) => narrower.left = true,
            (Some(Piece::Variable(_)), Some(Piece::Literal(_))) => narrower.right = true,
            (Some(Piece::Variable(_)), Some(Piece::Variable(_))) => {}
        }
    }
    match (left.trailing_slash, right.trailing_slash) {
        (true, true) | (false, false) => {}
        (true, false) if takes_slash(right, mode) => narrower.left = true,
        (false, true) if takes_slash(left, mode) => narrower.right = true,
        (true, false) | (false, true) => return Relation::Disjoint,
    }
    narrower.relation()
}

/// The matcher of exactly those calls that both match; they must not be disjoint.
pub(super) fn overlap(left: &HttpMatcher, right: &HttpMatcher) -> HttpMatcher {
    let mut pieces = Vec::new();
    let mut lefts = left.pieces.iter();
    let mut rights = right.pieces.iter();
    while let (Some(one), Some(other)) = (lefts.next(), rights.next()) {
        match (one, other) {
            (Piece::Rest(_), _) => {
                pieces.push(other.clone());
                pieces.extend(rights.cloned());
                break;
            }
            (_, Piece::Rest(_)) => {
                pieces.push(one.clone());
                pieces.extend(lefts.cloned());
                break;
            }
            (Piece::Literal(_), _) => pieces.push(one.clone()),
            (Piece::Variable(_), _) => pieces.push(other.clone()),
        }
    }
    HttpMatcher {
        method: left.method.clone().or_else(|| right.method.clone()),
        pieces,
        trailing_slash: left.trailing_slash || right.trailing_slash,
    }
}

/// Whether the rest variable of `matcher` takes a slash at the end of a path in, as `raw` does.
fn takes_slash(matcher: &HttpMatcher, mode: PathMode) -> bool {
    match mode {
        PathMode::Strict | PathMode::Normalise => false,
        PathMode::Raw => matches!(matcher.pieces.last(), Some(Piece::Rest(_))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::matcher::Matcher;
    use super::*;

    fn http(text: &str) -> HttpMatcher {
        match Matcher::parse(text).unwrap() {
            Matcher::Http(matcher) => matcher,
            Matcher::Grpc(_) => panic!("{text}"),
        }
    }

    #[test]
    fn two_matchers_relate_as_their_sets_of_calls() {
        use Relation as R;
        // (one, other, relation, their overlap when it is of interest)
        let cases = [
            ("GET /a", "GET /a", R::Same, "GET /a"),
            ("GET /{X}", "GET /{Y}", R::Same, "GET /{}"),
            ("GET /{X...}", "GET /{Y...}", R::Same, "GET /{...}"),
            ("GET /a", "PUT /a", R::Disjoint, ""),
            ("GET /a", "GET /b", R::Disjoint, ""),
            ("GET /a", "GET /a/", R::Disjoint, ""),
            ("GET /a/{X}", "GET /a", R::Disjoint, ""),
            ("GET /a/{X...}", "GET /a", R::Disjoint, ""),
            ("GET /{X}", "GET /a", R::Nested, "GET /a"),
            ("* /a", "GET /a", R::Nested, "GET /a"),
            ("GET /{X...}", "GET /a/{Y}", R::Nested, "GET /a/{}"),
            ("GET /{X...}", "GET /{Y}/{Z...}", R::Nested, "GET /{}/{...}"),
            ("GET /{X}", "* /a", R::Crossing, "GET /a"),
            ("GET /a/{X}", "GET /{Y}/b", R::Crossing, "GET /a/b"),
            (
                "GET /a/{X...}",
                "GET /{Y}/b/{Z}",
                R::Crossing,
                "GET /a/b/{}",
            ),
            ("PUT /{X...}/", "* /a/{Y...}/", R::Crossing, "PUT /a/{...}/"),
            ("GET /a/{X...}", "GET /{Y}/b/", R::Disjoint, ""),
        ];
        for (one, other, relation, shape) in cases {
            let (left, right) = (http(one), http(other));
            for (left, right) in [(&left, &right), (&right, &left)] {
                let got = relate(left, right, PathMode::Strict);
                assert_eq!(got, relation, "{one} and {other}");
                if got != R::Disjoint {
                    assert_eq!(overlap(left, right).to_string(), shape, "{one} and {other}");
                }
            }
        }
    }

    #[test]
    fn in_raw_mode_the_rest_takes_the_slash_at_the_end() {
        let (left, right) = (http("GET /a/{X...}"), http("GET /{Y}/b/"));
        assert_eq!(relate(&left, &right, PathMode::Raw), Relation::Crossing);
        assert_eq!(overlap(&left, &right).to_string(), "GET /a/b/");
        let rest = http("GET /a/{X...}/");
        assert_eq!(relate(&left, &rest, PathMode::Raw), Relation::Nested);
    }
}
