use super::PathFault as F;
use super::*;
use proptest::prelude::*;

const MODES: [PathMode; 3] = [PathMode::Strict, PathMode::Normalise, PathMode::Raw];

type Outcome = Result<&'static str, PathFault>;

fn check(cases: &[(&str, [Outcome; 3])]) {
    for (target, expected) in cases {
        for (mode, expected) in MODES.into_iter().zip(expected) {
            let got = Path::read(target, mode).map(|path| path.as_str().to_owned());
            let expected = expected.map(str::to_owned);
            assert_eq!(got, expected, "rule 17: `{target}` in {mode:?}");
        }
    }
}

fn decoded(target: &str, mode: PathMode) -> Vec<String> {
    let path = Path::read(target, mode).unwrap();
    let segments = path.segments().iter();
    segments
        .map(|segment| segment.decoded().to_owned())
        .collect()
}

#[test]
fn what_envoy_was_seen_to_forward_is_read_as_the_mode_says() {
    // (target, [strict, normalise, raw]): the observed table of §4 of the Envoy contract.
    check(&[
        ("/a/../b", [Err(F::DotSegment), Ok("/b"), Ok("/a/../b")]),
        ("/a/./b", [Err(F::DotSegment), Ok("/a/b"), Ok("/a/./b")]),
        (
            "/a%2Fb",
            [Err(F::EncodedSlash), Err(F::EncodedSlash), Ok("/a%2Fb")],
        ),
        (
            "/a%5cb",
            [Err(F::EncodedSlash), Err(F::EncodedSlash), Ok("/a%5cb")],
        ),
        ("//x//y", [Err(F::EmptySegment), Ok("/x/y"), Ok("//x//y")]),
        (
            "/%61dmin",
            [Err(F::EncodedUnreserved), Ok("/admin"), Ok("/%61dmin")],
        ),
        ("/a\\b", [Err(F::Backslash); 3]),
        (
            "/a/%2e%2e/b",
            [Err(F::EncodedUnreserved), Ok("/b"), Ok("/a/%2e%2e/b")],
        ),
        (
            "/a/..;/b",
            [Err(F::Parameter), Err(F::Parameter), Ok("/a/..;/b")],
        ),
        (
            "/a;p=1/b",
            [Err(F::Parameter), Err(F::Parameter), Ok("/a;p=1/b")],
        ),
        ("/a%00b", [Err(F::EncodedControl); 3]),
        ("/A", [Ok("/A"); 3]),
        ("/a?x=/../b", [Ok("/a"); 3]),
        ("http://other/p", [Err(F::NotOriginForm); 3]),
        ("/a#frag", [Err(F::Fragment); 3]),
        ("/a b", [Err(F::Illegal); 3]),
        ("/caf\u{e9}", [Err(F::NotAscii); 3]),
        ("*", [Err(F::NotOriginForm); 3]),
    ]);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn every_class_of_doubtful_path_is_refused() {
    // Rule 16, and incident rule 1.
    check(&[
        ("", [Err(F::Empty); 3]),
        ("?x=1", [Err(F::Empty); 3]),
        ("other:443", [Err(F::NotOriginForm); 3]),
        ("a/b", [Err(F::NotOriginForm); 3]),
        ("/a?x=1#frag", [Err(F::Fragment); 3]),
        ("/a?x=1 2", [Err(F::Illegal); 3]),
        ("/a?x=\u{e9}", [Err(F::NotAscii); 3]),
        ("/a\tb", [Err(F::Control); 3]),
        ("/a\0b", [Err(F::Control); 3]),
        ("/a\u{7f}b", [Err(F::Control); 3]),
        ("/a?x\r\ny", [Err(F::Control); 3]),
        ("/a%0d%0ab", [Err(F::EncodedControl); 3]),
        ("/a%1Fb", [Err(F::EncodedControl); 3]),
        ("/a%7Fb", [Err(F::EncodedControl); 3]),
        ("/a%C2%80b", [Err(F::NotText); 3]),
        ("/a%ffb", [Err(F::NotText); 3]),
        ("/a%C0%AFb", [Err(F::NotText); 3]),
        ("/a%C3", [Err(F::NotText); 3]),
        ("/a%", [Err(F::Escape); 3]),
        ("/a%4", [Err(F::Escape); 3]),
        ("/a%zz", [Err(F::Escape); 3]),
        ("/a%2/b", [Err(F::Escape); 3]),
        ("/a%+4", [Err(F::Escape); 3]),
        ("/..", [Err(F::DotSegment), Err(F::DotSegment), Ok("/..")]),
        (
            "/a/../../b",
            [Err(F::DotSegment), Err(F::DotSegment), Ok("/a/../../b")],
        ),
        (
            "/a//../b",
            [Err(F::EmptySegment), Err(F::EmptySegment), Ok("/a//../b")],
        ),
        (
            "/%2e%2E%2fb",
            [
                Err(F::EncodedUnreserved),
                Err(F::EncodedSlash),
                Ok("/%2e%2E%2fb"),
            ],
        ),
        (
            "/a%252Fb",
            [
                Err(F::DoubleEncoding),
                Err(F::DoubleEncoding),
                Ok("/a%252Fb"),
            ],
        ),
        (
            "/a%252e%252e/b",
            [
                Err(F::DoubleEncoding),
                Err(F::DoubleEncoding),
                Ok("/a%252e%252e/b"),
            ],
        ),
        (
            "/a%25%32%46b",
            [
                Err(F::EncodedUnreserved),
                Err(F::DoubleEncoding),
                Ok("/a%25%32%46b"),
            ],
        ),
        (
            "/a%2525b",
            [
                Err(F::DoubleEncoding),
                Err(F::DoubleEncoding),
                Ok("/a%2525b"),
            ],
        ),
        ("/a*", [Err(F::Wildcard), Err(F::Wildcard), Ok("/a*")]),
        (
            "/a%2A",
            [
                Err(F::EncodedDelimiter),
                Err(F::EncodedDelimiter),
                Ok("/a%2A"),
            ],
        ),
        (
            "/a%3Fb",
            [
                Err(F::EncodedDelimiter),
                Err(F::EncodedDelimiter),
                Ok("/a%3Fb"),
            ],
        ),
        (
            "/a%23b",
            [
                Err(F::EncodedDelimiter),
                Err(F::EncodedDelimiter),
                Ok("/a%23b"),
            ],
        ),
        (
            "/a%3bx=1",
            [
                Err(F::EncodedDelimiter),
                Err(F::EncodedDelimiter),
                Ok("/a%3bx=1"),
            ],
        ),
        ("/a.", [Err(F::TrailingDot), Err(F::TrailingDot), Ok("/a.")]),
        (
            "/a/.../b",
            [Err(F::TrailingDot), Err(F::TrailingDot), Ok("/a/.../b")],
        ),
        (
            "/a%20/b",
            [Err(F::TrailingDot), Err(F::TrailingDot), Ok("/a%20/b")],
        ),
        (
            "/a%2e",
            [Err(F::EncodedUnreserved), Err(F::TrailingDot), Ok("/a%2e")],
        ),
        ("/a|b", [Err(F::Illegal), Err(F::Illegal), Ok("/a|b")]),
        ("/{a}", [Err(F::Illegal), Err(F::Illegal), Ok("/{a}")]),
    ]);
}

#[test]
fn an_unambiguous_path_is_taken() {
    check(&[
        ("/", [Ok("/"); 3]),
        ("/?x=1", [Ok("/"); 3]),
        ("/a/", [Ok("/a/"); 3]),
        ("/v1/orders/7", [Ok("/v1/orders/7"); 3]),
        ("/v1/orders/7:cancel@x", [Ok("/v1/orders/7:cancel@x"); 3]),
        ("/a-b_c~d.e!$&'()+,=", [Ok("/a-b_c~d.e!$&'()+,="); 3]),
        ("/a%20b", [Ok("/a%20b"); 3]),
        ("/100%25", [Ok("/100%25"); 3]),
        ("/.well-known/a", [Ok("/.well-known/a"); 3]),
        ("/a..b/..c", [Ok("/a..b/..c"); 3]),
        // The digits of an escape mean the same in either case; the canonical ones are upper.
        (
            "/caf%c3%a9",
            [Ok("/caf%C3%A9"), Ok("/caf%C3%A9"), Ok("/caf%c3%a9")],
        ),
        (
            "/arn%3aaws",
            [Ok("/arn%3Aaws"), Ok("/arn%3Aaws"), Ok("/arn%3aaws")],
        ),
    ]);
}

#[test]
fn normalising_removes_dots_and_merges_slashes() {
    let cases = [
        ("/.", "/"),
        ("/a/.", "/a/"),
        ("/a/..", "/"),
        ("/a/b/..", "/a/"),
        ("/a/b/../", "/a/"),
        ("/a/b/../../c", "/c"),
        ("/a/%2E/b", "/a/b"),
        ("/a/.%2e/b", "/b"),
        ("//", "/"),
        ("/a//", "/a/"),
        ("/a//b/./c", "/a/b/c"),
        ("/%7Eana/%2D", "/~ana/-"),
    ];
    for (target, expected) in cases {
        let path = Path::read(target, PathMode::Normalise).unwrap();
        assert_eq!(path.as_str(), expected, "rule 17: {target}");
        assert_eq!(
            path.has_trailing_slash(),
            expected.ends_with('/'),
            "{target}"
        );
    }
}

#[test]
fn segments_are_decoded_exactly_once() {
    let cases: [(&str, PathMode, &[&str]); 8] = [
        ("/", PathMode::Strict, &[]),
        ("/a/b/", PathMode::Strict, &["a", "b"]),
        ("/a%20b/caf%C3%A9", PathMode::Strict, &["a b", "café"]),
        ("/100%25", PathMode::Strict, &["100%"]),
        ("/a%252Fb", PathMode::Raw, &["a%2Fb"]),
        ("/a%2Fb/c", PathMode::Raw, &["a/b", "c"]),
        ("//a/", PathMode::Raw, &["", "a"]),
        ("/x/../%61", PathMode::Normalise, &["a"]),
    ];
    for (target, mode, expected) in cases {
        assert_eq!(decoded(target, mode), expected, "{target}");
    }
}

#[test]
fn the_query_is_split_off_at_the_first_question_mark() {
    let cases = [
        ("/a", None),
        ("/a?", Some("")),
        ("/a?x=/../b?c", Some("x=/../b?c")),
    ];
    for (target, expected) in cases {
        let path = Path::read(target, PathMode::Strict).unwrap();
        assert_eq!(path.query(), expected, "rule 18: {target}");
    }
}

#[test]
fn what_is_over_a_limit_is_refused_and_never_cut() {
    let path = format!("/{}", "a".repeat(Path::MAX_BYTES));
    let query = format!("/?{}", "a".repeat(Path::MAX_QUERY_BYTES + 1));
    let segments = "/a".repeat(Path::MAX_SEGMENTS + 1);
    for mode in MODES {
        assert_eq!(Path::read(&path, mode), Err(F::TooLong));
        assert_eq!(Path::read(&query, mode), Err(F::TooLong));
        assert_eq!(Path::read(&segments, mode), Err(F::TooManySegments));
    }
    let most = format!("/{}", "a".repeat(Path::MAX_BYTES - 1));
    assert!(Path::read(&most, PathMode::Strict).is_ok());
}

/// Targets made of what matters to a reader of paths.
fn target() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-zA-Z0-9._~-]{1,4}",
        2 => "%[0-9a-fA-F]{2}",
        2 => Just("/".to_owned()),
        1 => prop::sample::select(vec![
            "/./", "/../", "..", "%2e", "%2F", "%5c", "%25", "%252F", ";", "*", "\\", "//", "?",
            "#", "%", "%4", "%C3%A9", "%c3%a9", "é", " ", "\0", ":", "@", "&=", "|",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

fn raise_hex(text: &str) -> String {
    let mut parts = text.split('%');
    let mut raised = parts.next().unwrap().to_owned();
    for part in parts {
        let (digits, behind) = part.split_at(2);
        raised.push('%');
        raised.push_str(&digits.to_ascii_uppercase());
        raised.push_str(behind);
    }
    raised
}

proptest! {
    #[test]
    fn what_strict_takes_normalisation_does_not_change(target in target()) {
        if let Ok(strict) = Path::read(&target, PathMode::Strict) {
            let path = target.split('?').next().unwrap();
            prop_assert_eq!(strict.as_str(), raise_hex(path));
            let normal = Path::read(&target, PathMode::Normalise).unwrap();
            prop_assert_eq!(strict.as_str(), normal.as_str());
            prop_assert_eq!(strict.segments(), normal.segments());
            // One reader more, who decodes once more or splits again, sees the same segments.
            for segment in strict.segments() {
                prop_assert!(!segment.decoded().contains(['/', '\\', '?', '#', ';', '*']));
                prop_assert!(!segment.decoded().is_empty());
            }
        }
    }

    #[test]
    fn normalising_is_idempotent_and_its_result_is_strict(target in target()) {
        if let Ok(once) = Path::read(&target, PathMode::Normalise) {
            for mode in [PathMode::Normalise, PathMode::Strict] {
                let again = Path::read(once.as_str(), mode).unwrap();
                prop_assert_eq!(again.as_str(), once.as_str());
                prop_assert_eq!(again.has_trailing_slash(), once.has_trailing_slash());
            }
        }
    }

    #[test]
    fn no_mode_takes_what_a_laxer_one_refuses(target in target()) {
        let strict = Path::read(&target, PathMode::Strict).is_ok();
        let normal = Path::read(&target, PathMode::Normalise).is_ok();
        let raw = Path::read(&target, PathMode::Raw).is_ok();
        prop_assert!(!strict || normal);
        prop_assert!(!normal || raw);
    }

    #[test]
    fn raw_never_changes_a_byte(target in target()) {
        if let Ok(raw) = Path::read(&target, PathMode::Raw) {
            prop_assert_eq!(raw.as_str(), target.split('?').next().unwrap());
        }
    }

    #[test]
    fn no_text_makes_a_reader_panic(target in any::<String>(), mode in 0_usize..3) {
        let _ = Path::read(&target, MODES[mode]);
        let _ = Path::read(&format!("/{target}"), MODES[mode]);
        let _ = crate::mapping::Host::read(&target);
        let _ = crate::mapping::Query::read(&target);
    }
}
