//! `Condition`: operators, keys and values (COND-1 to COND-7, OP-1 to OP-18).

use crate::model::{ContextKey, Timestamp};
use crate::policy::Cardinality;
use crate::policy::decimal::Decimal;
use crate::policy::ip_range::IpRange;
use crate::policy::template::Template;

/// One test: an operator, a key, and the values to compare with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// How several request values are treated.
    pub qualifier: Qualifier,
    /// The operator without qualifier and `IfExists`.
    pub base: Base,
    /// Whether an absent key satisfies it.
    pub if_exists: bool,
    /// The operator as it was written.
    pub operator: String,
    /// The context key.
    pub key: ContextKey,
    /// The key as it was written.
    pub key_text: String,
    /// How many values the key is declared to have (KEY-3).
    pub cardinality: Cardinality,
    /// The values; any of them is enough (COND-2).
    pub values: Vec<ConditionValue>,
}

/// How several values of a request are treated (COND-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Qualifier {
    /// The key has one value.
    None,
    /// `ForAllValues:`.
    All,
    /// `ForAnyValue:`.
    Any,
}

/// The base of an operator (OP-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the language")]
pub enum Base {
    StringEquals,
    StringNotEquals,
    StringEqualsIgnoreCase,
    StringNotEqualsIgnoreCase,
    StringLike,
    StringNotLike,
    Numeric(Comparison),
    Date(Comparison),
    Bool,
    BinaryEquals,
    IpAddress,
    NotIpAddress,
    ArnEquals,
    ArnLike,
    ArnNotEquals,
    ArnNotLike,
    Null,
}

/// How two ordered values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the language")]
pub enum Comparison {
    Equals,
    NotEquals,
    LessThan,
    LessThanEquals,
    GreaterThan,
    GreaterThanEquals,
}

/// One policy value, read by its operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConditionValue {
    /// For the string and ARN operators.
    Text(Template),
    /// For the numeric operators.
    Number(Decimal),
    /// For the date operators.
    Instant(Timestamp),
    /// For `Bool` and `Null`.
    Truth(bool),
    /// For `BinaryEquals`.
    Bytes(Vec<u8>),
    /// For the address operators.
    Range(IpRange),
}

impl Comparison {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Equals, "equals"),
        (Self::NotEquals, "notequals"),
        (Self::LessThan, "lessthan"),
        (Self::LessThanEquals, "lessthanequals"),
        (Self::GreaterThan, "greaterthan"),
        (Self::GreaterThanEquals, "greaterthanequals"),
    ];

    fn parse(folded: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(_, name)| *name == folded)
            .map(|(comparison, _)| *comparison)
    }

    /// Whether it asks for an order and not for equality.
    #[must_use]
    pub const fn is_ordering(self) -> bool {
        !matches!(self, Self::Equals | Self::NotEquals)
    }
}

impl Base {
    /// Reads the base of an operator, under ASCII folding (COND-4).
    pub(super) fn parse(text: &str) -> Option<Self> {
        let folded = text.to_ascii_lowercase();
        if let Some(comparison) = folded.strip_prefix("numeric") {
            return Comparison::parse(comparison).map(Self::Numeric);
        }
        if let Some(comparison) = folded.strip_prefix("date") {
            return Comparison::parse(comparison).map(Self::Date);
        }
        Some(match folded.as_str() {
            "stringequals" => Self::StringEquals,
            "stringnotequals" => Self::StringNotEquals,
            "stringequalsignorecase" => Self::StringEqualsIgnoreCase,
            "stringnotequalsignorecase" => Self::StringNotEqualsIgnoreCase,
            "stringlike" => Self::StringLike,
            "stringnotlike" => Self::StringNotLike,
            "bool" => Self::Bool,
            "binaryequals" => Self::BinaryEquals,
            "ipaddress" => Self::IpAddress,
            "notipaddress" => Self::NotIpAddress,
            "arnequals" => Self::ArnEquals,
            "arnlike" => Self::ArnLike,
            "arnnotequals" => Self::ArnNotEquals,
            "arnnotlike" => Self::ArnNotLike,
            "null" => Self::Null,
            _ => return None,
        })
    }

    /// Whether it is one of the eight negated operators (COND-7).
    #[must_use]
    pub const fn is_negated(self) -> bool {
        matches!(
            self,
            Self::StringNotEquals
                | Self::StringNotEqualsIgnoreCase
                | Self::StringNotLike
                | Self::Numeric(Comparison::NotEquals)
                | Self::Date(Comparison::NotEquals)
                | Self::NotIpAddress
                | Self::ArnNotEquals
                | Self::ArnNotLike
        )
    }

    /// Whether variables may stand in its values (OP-1).
    #[must_use]
    pub const fn takes_variables(self) -> bool {
        self.is_string() || self.is_arn()
    }

    /// Whether `*` and `?` are wildcards in its values (OP-1).
    #[must_use]
    pub const fn takes_wildcards(self) -> bool {
        matches!(self, Self::StringLike | Self::StringNotLike) || self.is_arn()
    }

    /// Whether it compares ARNs.
    #[must_use]
    pub const fn is_arn(self) -> bool {
        matches!(
            self,
            Self::ArnEquals | Self::ArnLike | Self::ArnNotEquals | Self::ArnNotLike
        )
    }

    /// Whether it compares texts.
    #[must_use]
    pub const fn is_string(self) -> bool {
        matches!(
            self,
            Self::StringEquals
                | Self::StringNotEquals
                | Self::StringEqualsIgnoreCase
                | Self::StringNotEqualsIgnoreCase
                | Self::StringLike
                | Self::StringNotLike
        )
    }

    /// The types of keys for which it is meant; empty means any.
    #[must_use]
    pub const fn key_types(self) -> &'static [&'static str] {
        match self {
            Self::Numeric(_) => &["numeric", "date"],
            Self::Date(_) => &["date"],
            Self::Bool => &["bool"],
            Self::BinaryEquals => &["binary"],
            Self::IpAddress | Self::NotIpAddress => &["ip"],
            Self::ArnEquals | Self::ArnLike | Self::ArnNotEquals | Self::ArnNotLike => {
                &["arn", "string"]
            }
            _ => &[],
        }
    }
}
