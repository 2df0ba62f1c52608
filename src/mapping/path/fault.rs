//! What is wrong with a path.

/// Why a path is refused: more than one reading of it is possible, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum PathFault {
    /// There is no path, as in CONNECT (rule 47).
    #[error("the path is empty")]
    Empty,
    /// The target does not begin with `/`: `*`, a whole URL, an authority.
    #[error("the target does not begin with `/`")]
    NotOriginForm,
    /// Path or query is over its limit in bytes.
    #[error("the target is too long")]
    TooLong,
    /// More segments than accepted.
    #[error("the path has too many segments")]
    TooManySegments,
    /// A `#`, which no client sends.
    #[error("the target holds a fragment")]
    Fragment,
    /// A control byte as itself.
    #[error("the target holds a control byte")]
    Control,
    /// A byte above 127 as itself.
    #[error("the target holds a byte that is not ASCII")]
    NotAscii,
    /// A character that no URI may hold there, such as a space.
    #[error("the path holds a character that must be escaped")]
    Illegal,
    /// A `\`, which some readers take for `/`.
    #[error("the path holds a backslash")]
    Backslash,
    /// A `%` without two hexadecimal digits.
    #[error("the path holds an invalid escape")]
    Escape,
    /// A control byte, escaped.
    #[error("the path holds an escaped control byte")]
    EncodedControl,
    /// `%2F` or `%5C`.
    #[error("the path holds an escaped slash or backslash")]
    EncodedSlash,
    /// `%3F`, `%23`, `%3B` or `%2A`.
    #[error("the path holds an escaped delimiter")]
    EncodedDelimiter,
    /// An escape of a character that needs none.
    #[error("the path holds an escape that normalisation removes")]
    EncodedUnreserved,
    /// `%25` and two hexadecimal digits.
    #[error("the path is escaped twice")]
    DoubleEncoding,
    /// The escapes yield no UTF-8, or a control character.
    #[error("the path is not text once decoded")]
    NotText,
    /// `;` as in `;x=1`.
    #[error("the path holds a parameter")]
    Parameter,
    /// `*`.
    #[error("the path holds a wildcard")]
    Wildcard,
    /// `//`.
    #[error("the path holds an empty segment")]
    EmptySegment,
    /// `.` or `..` as a segment.
    #[error("the path holds a dot segment")]
    DotSegment,
    /// A segment that ends in `.` or a space, which some file systems drop.
    #[error("a segment of the path ends in a dot or a space")]
    TrailingDot,
    /// The path would take another route if letters or escapes were folded.
    #[error("the path differs from another route in letter case or escapes alone")]
    NearRoute,
}

impl PathFault {
    /// One word of a closed set, for metrics and the decision log.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NotOriginForm => "not_origin_form",
            Self::TooLong => "too_long",
            Self::TooManySegments => "too_many_segments",
            Self::Fragment => "fragment",
            Self::Control => "control",
            Self::NotAscii => "not_ascii",
            Self::Illegal => "illegal",
            Self::Backslash => "backslash",
            Self::Escape => "escape",
            Self::EncodedControl => "encoded_control",
            Self::EncodedSlash => "encoded_slash",
            Self::EncodedDelimiter => "encoded_delimiter",
            Self::EncodedUnreserved => "encoded_unreserved",
            Self::DoubleEncoding => "double_encoding",
            Self::NotText => "not_text",
            Self::Parameter => "parameter",
            Self::Wildcard => "wildcard",
            Self::EmptySegment => "empty_segment",
            Self::DotSegment => "dot_segment",
            Self::TrailingDot => "trailing_dot",
            Self::NearRoute => "near_route",
        }
    }
}
