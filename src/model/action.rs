//! The action of a request.

use crate::model::fingerprint;
use std::fmt;

/// One concrete action, `prefix:Name` (ACT-7): no wildcard, exactly one colon.
///
/// The text is kept as asked, and folded to lower case beside it, because policies match actions
/// under ASCII folding (ACT-3).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Action {
    text: Box<str>,
    folded: Box<str>,
    colon: usize,
    fingerprint: u32,
    prefix_fingerprint: u32,
}

/// Why a text is not an action that a request can name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an action: `prefix:Name` is needed, without wildcards")]
pub struct InvalidAction(pub String);

impl Action {
    /// Reads an action.
    ///
    /// # Errors
    ///
    /// [`InvalidAction`] unless `text` is `prefix:Name`, the prefix of letters, digits and `-`, the
    /// name of letters, digits, `_` and `-`.
    pub fn parse(text: &str) -> Result<Self, InvalidAction> {
        let invalid = || InvalidAction(text.chars().take(128).collect());
        let (prefix, name) = text.split_once(':').ok_or_else(invalid)?;
        let prefix_fits = !prefix.is_empty()
            && prefix
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let name_fits = !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if !prefix_fits || !name_fits || text.len() > 256 {
            return Err(invalid());
        }
        let folded: Box<str> = text.to_ascii_lowercase().into();
        Ok(Self {
            text: text.into(),
            fingerprint: fingerprint(&folded),
            prefix_fingerprint: fingerprint(folded.get(..prefix.len()).unwrap_or_default()),
            folded,
            colon: prefix.len(),
        })
    }

    /// The action as it was asked, such as `orders:GetOrder`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The action in lower case, such as `orders:getorder`.
    #[must_use]
    pub fn folded(&self) -> &str {
        &self.folded
    }

    /// The [`fingerprint`] of the folded action.
    #[must_use]
    pub fn fingerprint(&self) -> u32 {
        self.fingerprint
    }

    /// The [`fingerprint`] of the folded service prefix.
    #[must_use]
    pub fn prefix_fingerprint(&self) -> u32 {
        self.prefix_fingerprint
    }

    /// The service prefix in lower case, such as `orders`.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.folded.get(..self.colon).unwrap_or_default()
    }

    /// The name behind the colon in lower case, such as `getorder`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.folded.get(self.colon + 1..).unwrap_or_default()
    }
}

impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_one_concrete_action() {
        let cases = [
            ("orders:GetOrder", true),
            ("execute-api:Invoke", true),
            ("ledger:Read_All-2", true),
            ("orders:Get*", false),
            ("orders:", false),
            (":GetOrder", false),
            ("orders", false),
            ("orders:Get:Order", false),
            (" orders:GetOrder", false),
            ("orders:Gét", false),
            ("*", false),
        ];
        for (text, accepted) in cases {
            assert_eq!(Action::parse(text).is_ok(), accepted, "ACT-7: `{text}`");
        }
    }

    #[test]
    fn an_action_knows_its_folded_parts() {
        let action = Action::parse("Orders:GetOrder").unwrap();
        assert_eq!((action.prefix(), action.name()), ("orders", "getorder"));
        assert_eq!(action.as_str(), "Orders:GetOrder");
    }
}
