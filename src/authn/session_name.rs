//! Names of sessions.

use aws_lc_rs::digest;

/// The longest name of a session, in characters.
const MAX_CHARS: usize = 64;

/// Whether `character` may stand in the name of a session or in a source identity (ROLE-25).
pub(super) fn is_allowed(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_=,.@+-".contains(character)
}

/// Makes the name of a session from a claim or a peer's name: what may not stand in it becomes `-`,
/// and the whole is cut to 64 characters (MTL-02). A name of one character is filled up to the
/// two that a session name needs; of nothing no name is made.
pub(super) fn clean(text: &str) -> Option<String> {
    let mut name: String = text
        .chars()
        .take(MAX_CHARS)
        .map(|character| {
            if is_allowed(character) {
                character
            } else {
                '-'
            }
        })
        .collect();
    match name.len() {
        0 => return None,
        1 => name.push('-'),
        _ => {}
    }
    Some(name)
}

/// Makes the name of a session from a claim, such that no two claims give one name: where
/// [`clean`] changes the text, the name ends in a digest of it (BRR-04).
pub(super) fn of_claim(text: &str) -> Option<String> {
    let name = clean(text)?;
    if name == text {
        return Some(name);
    }
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    let digits = digest.as_ref().iter().take(6);
    let ending: String = std::iter::once("-".to_owned())
        .chain(digits.map(|byte| format!("{byte:02x}")))
        .collect();
    let kept = name.chars().take(MAX_CHARS - ending.len());
    Some(kept.collect::<String>() + &ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_claims_give_one_name() {
        let long = "x".repeat(80);
        let cases = [
            ("cart@acme.test", "cart@acme.test"),
            (
                "system:serviceaccount:shop:cart-api",
                "system-serviceaccount-shop-cart-api-",
            ),
            (
                "system:serviceaccount:shop-cart:api",
                "system-serviceaccount-shop-cart-api-",
            ),
            ("a", "a--"),
            (&long, "xxxxxxxx"),
        ];
        let mut names = std::collections::HashSet::new();
        for (text, beginning) in cases {
            let name = of_claim(text).unwrap();
            assert!(name.starts_with(beginning), "{text}: {name}");
            assert!(
                name.len() <= MAX_CHARS && name.chars().all(is_allowed),
                "{name}"
            );
            assert!(names.insert(name), "{text}");
        }
        assert_eq!(of_claim(""), None);
    }

    #[test]
    fn a_session_name_has_only_what_an_arn_can_carry() {
        let long = "é".repeat(70);
        let dashes = "-".repeat(64);
        // (text, name)
        let cases = [
            ("cart", Some("cart")),
            ("ana@acme.test", Some("ana@acme.test")),
            ("A_b=c,d.e@f+g-h", Some("A_b=c,d.e@f+g-h")),
            (
                "system:serviceaccount:shop:cart",
                Some("system-serviceaccount-shop-cart"),
            ),
            ("a/b*c?d\0\n", Some("a-b-c-d--")),
            ("٣", Some("--")),
            ("7", Some("7-")),
            (&long, Some(dashes.as_str())),
            ("", None),
        ];
        for (text, name) in cases {
            assert_eq!(clean(text).as_deref(), name, "MTL-02, BRR-04: `{text}`");
        }
    }
}
