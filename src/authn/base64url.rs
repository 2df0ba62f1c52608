//! Base64url as tokens and keys write it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Decodes base64url strictly (JWT-01): no padding, no blanks, no character of the other alphabet,
/// and no bits left over, so that bytes have one text only.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Encodes base64url without padding.
pub(super) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_one_text_only() {
        // (text, bytes)
        let cases: [(&str, Option<&[u8]>); 13] = [
            ("", Some(b"")),
            ("Zg", Some(b"f")),
            ("Zm8", Some(b"fo")),
            ("Zm9v", Some(b"foo")),
            ("_-8", Some(b"\xff\xef")),
            ("Zg==", None),
            ("Zm8=", None),
            ("Zh", None),
            ("Zm9", None),
            ("Z", None),
            ("/+8", None),
            ("Zm 9v", None),
            ("Zm9v\n", None),
        ];
        for (text, bytes) in cases {
            assert_eq!(decode(text).as_deref(), bytes, "JWT-01: `{text}`");
        }
    }
}
