//! Account ids.

use std::fmt;

/// The id of an account: exactly twelve ASCII digits (LIM-4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId([u8; 12]);

/// Why a text is not an account id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an account id: twelve digits are needed")]
pub struct InvalidAccountId(pub String);

impl AccountId {
    /// Reads an account id.
    ///
    /// # Errors
    ///
    /// [`InvalidAccountId`] unless `text` is exactly twelve ASCII digits.
    pub fn parse(text: &str) -> Result<Self, InvalidAccountId> {
        let digits: [u8; 12] = text
            .as_bytes()
            .try_into()
            .map_err(|_| InvalidAccountId(text.to_owned()))?;
        if digits.iter().all(u8::is_ascii_digit) {
            Ok(Self(digits))
        } else {
            Err(InvalidAccountId(text.to_owned()))
        }
    }

    /// The twelve digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // INVARIANT: only `parse` makes one, and it admits nothing but ASCII digits.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_id_is_twelve_digits() {
        // (text, accepted)
        let cases = [
            ("210000000001", true),
            ("000000000000", true),
            ("21000000001", false),
            ("2100000000011", false),
            ("21000000000a", false),
            ("٢١٠٠٠٠", false),
            ("", false),
        ];
        for (text, accepted) in cases {
            assert_eq!(AccountId::parse(text).is_ok(), accepted, "{text}");
        }
    }
}
