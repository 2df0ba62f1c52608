//! Amazon Resource Names.

use crate::model::AccountId;
use std::fmt;

/// A full ARN, `arn:partition:service:region:account:resource` (ARN-1).
///
/// Six components, split at the first five colons; partition, service and resource are not empty
/// (RES-13). Wildcard characters in it are plain text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Arn {
    text: Box<str>,
    // Where the first five colons stand.
    colons: [u16; 5],
}

/// Why a text is not an ARN.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidArn {
    /// Fewer than six components, or a required one is empty.
    #[error("`{0}` is not an ARN: `arn:partition:service:region:account:resource` is needed")]
    Shape(String),
    /// Longer than an ARN may be (LIM-5).
    #[error("an ARN of {length} bytes is over the limit of {limit}")]
    TooLong {
        /// Bytes in the text.
        length: usize,
        /// The most bytes accepted.
        limit: usize,
    },
}

impl Arn {
    /// The most bytes that an ARN in a request may have (LIM-5).
    pub const LIMIT: usize = 2048;

    /// Reads an ARN.
    ///
    /// # Errors
    ///
    /// - [`InvalidArn::TooLong`] above [`Arn::LIMIT`] bytes.
    /// - [`InvalidArn::Shape`] unless there are six components of which `arn`, partition, service
    ///   and resource are present.
    pub fn parse(text: &str) -> Result<Self, InvalidArn> {
        if text.len() > Self::LIMIT {
            return Err(InvalidArn::TooLong {
                length: text.len(),
                limit: Self::LIMIT,
            });
        }
        let shape = || InvalidArn::Shape(text.chars().take(256).collect());
        let mut colons = [0_u16; 5];
        let mut found = text.bytes().enumerate().filter(|(_, byte)| *byte == b':');
        for slot in &mut colons {
            let (at, _) = found.next().ok_or_else(shape)?;
            *slot = u16::try_from(at).map_err(|_| shape())?;
        }
        let arn = Self {
            text: text.into(),
            colons,
        };
        let whole = arn.component(0) == "arn"
            && !arn.partition().is_empty()
            && !arn.service().is_empty()
            && !arn.resource().is_empty();
        if whole { Ok(arn) } else { Err(shape()) }
    }

    /// Builds the ARN of an IAM or STS entity, such as `arn:aws:iam::210000000001:role/reader`.
    ///
    /// # Errors
    ///
    /// As [`Arn::parse`], when a part makes the whole too long or empty.
    pub fn of_identity(
        partition: &str,
        service: &str,
        account: AccountId,
        resource: &str,
    ) -> Result<Self, InvalidArn> {
        Self::parse(&format!("arn:{partition}:{service}::{account}:{resource}"))
    }

    /// The whole text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The second component, such as `aws`.
    #[must_use]
    pub fn partition(&self) -> &str {
        self.component(1)
    }

    /// The third component, such as `orders`.
    #[must_use]
    pub fn service(&self) -> &str {
        self.component(2)
    }

    /// The fourth component, which may be empty.
    #[must_use]
    pub fn region(&self) -> &str {
        self.component(3)
    }

    /// The fifth component as text, which may be empty.
    #[must_use]
    pub fn account_text(&self) -> &str {
        self.component(4)
    }

    /// The account of the fifth component, when it is one.
    #[must_use]
    pub fn account(&self) -> Option<AccountId> {
        AccountId::parse(self.account_text()).ok()
    }

    /// Components two to five with the colons between them, such as `aws:orders:eu-1:210000000001`.
    #[must_use]
    pub fn head(&self) -> &str {
        let [first, .., last] = self.colons.map(usize::from);
        self.text.get(first + 1..last).unwrap_or_default()
    }

    /// The sixth component: everything behind the fifth colon.
    #[must_use]
    pub fn resource(&self) -> &str {
        self.component(5)
    }

    /// What stands behind `kind` and a slash in the resource component: for `role` and
    /// `role/team/Ops` it is `team/Ops`.
    #[must_use]
    pub fn resource_after(&self, kind: &str) -> Option<&str> {
        self.resource().strip_prefix(kind)?.strip_prefix('/')
    }

    /// The last part of the resource component: the name without its path.
    #[must_use]
    pub fn name(&self) -> &str {
        self.resource().rsplit('/').next().unwrap_or_default()
    }

    /// Whether the ARN is global and its resource is `kind/[path/]name`, no part of it empty.
    #[must_use]
    pub fn is_identity(&self, kind: &str) -> bool {
        self.region().is_empty()
            && self.resource_after(kind).is_some_and(|rest| {
                !rest.is_empty() && rest.split('/').all(|part| !part.is_empty())
            })
    }

    /// Whether this is the ARN of an IAM role.
    #[must_use]
    pub fn is_role(&self) -> bool {
        self.service() == "iam" && self.resource_after("role").is_some()
    }

    fn component(&self, index: usize) -> &str {
        let start = match index
            .checked_sub(1)
            .and_then(|before| self.colons.get(before))
        {
            Some(colon) => usize::from(*colon) + 1,
            None => 0,
        };
        let end = self
            .colons
            .get(index)
            .map_or(self.text.len(), |colon| usize::from(*colon));
        self.text.get(start..end).unwrap_or_default()
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Debug for Arn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_has_six_components_and_later_colons_belong_to_the_last() {
        let arn = Arn::parse("arn:aws:orders:eu-1:210000000001:order/7:a:b").unwrap();
        assert_eq!(arn.head(), "aws:orders:eu-1:210000000001");
        assert_eq!(arn.partition(), "aws");
        assert_eq!(arn.service(), "orders");
        assert_eq!(arn.region(), "eu-1");
        assert_eq!(arn.account().unwrap().as_str(), "210000000001");
        assert_eq!(arn.resource(), "order/7:a:b");
        assert_eq!(arn.resource_after("order"), Some("7:a:b"));
    }

    #[test]
    fn what_is_not_six_components_is_no_arn() {
        let cases = [
            ("arn:aws:files:::shelf/*", true),
            ("arn:aws:files:::", false),
            ("arn::files:::x", false),
            ("arn:aws::::x", false),
            ("ARN:aws:files:::x", false),
            ("arn:aws:files::x", false),
            ("*", false),
            ("", false),
        ];
        for (text, accepted) in cases {
            assert_eq!(
                Arn::parse(text).is_ok(),
                accepted,
                "ARN-1, RES-13: `{text}`"
            );
        }
        let long = format!("arn:aws:files:::{}", "x".repeat(Arn::LIMIT));
        assert!(
            matches!(Arn::parse(&long), Err(InvalidArn::TooLong { .. })),
            "LIM-5"
        );
    }
}
