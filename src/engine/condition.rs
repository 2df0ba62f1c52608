//! Condition tests (COND-6, OP-1 to OP-19, SET-1 to SET-7).

use crate::engine::pattern::{
    Hole, Pattern, Piece, covers, resolve, spells_ignoring_case, split_arn,
};
use crate::engine::truth::Truth;
use crate::model::{Context, ContextKey, ContextValue, Timestamp};
use crate::policy::decimal::Decimal;
use crate::policy::ip_range::{IpRange, parse_address};
use crate::policy::template::{Template, Token};
use crate::policy::{Base, Cardinality, Comparison, Condition, ConditionValue, Qualifier};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use compact_str::CompactString;
use std::cmp::Ordering;

/// A compiled condition: one operator on one key.
#[derive(Debug)]
pub(super) struct Test {
    pub(super) key: ContextKey,
    /// How many values the key is declared to have.
    cardinality: Cardinality,
    qualifier: Qualifier,
    if_exists: bool,
    negated: bool,
    /// Whether there is no value to compare with (DOC-9).
    empty: bool,
    operator: Operator,
    /// Operator and key as they were written, for explanations.
    pub(super) label: Box<str>,
}

/// The values to compare with, in the form of their operator.
#[derive(Debug)]
enum Operator {
    Texts(Box<[Pattern]>),
    TextsIgnoringCase(Box<[Box<[Token]>]>),
    Arns(Box<[ArnTest]>),
    Numbers(Comparison, Box<[Decimal]>),
    Instants(Comparison, Box<[Timestamp]>),
    Ranges(Box<[IpRange]>),
    Truth(Box<[bool]>),
    Bytes(Box<[Box<[u8]>]>),
    Null { absent: bool, present: bool },
}

/// One ARN to compare with.
#[derive(Debug)]
enum ArnTest {
    /// Without variables, split beforehand: components 2 to 6.
    Split(Box<[Pattern; 5]>),
    /// With variables, split after substitution (OP-17).
    Late(Box<[Token]>),
}

impl Test {
    pub(super) fn compile(condition: &Condition) -> Self {
        Self {
            key: condition.key.clone(),
            cardinality: condition.cardinality,
            qualifier: condition.qualifier,
            if_exists: condition.if_exists,
            negated: condition.base.is_negated(),
            empty: condition.values.is_empty(),
            operator: Operator::compile(condition.base, &condition.values),
            label: format!("{} {}", condition.operator, condition.key_text).into(),
        }
    }

    /// The seconds with which the test compares a time, where that is all that it does.
    pub(super) fn instants(&self) -> Option<Vec<i64>> {
        match &self.operator {
            Operator::Instants(_, instants) => {
                Some(instants.iter().map(|instant| instant.seconds()).collect())
            }
            // Whether there is a time does not change.
            Operator::Null { .. } => Some(Vec::new()),
            _ => None,
        }
    }

    /// The key and the values one of which the key must have, where the test demands just that: it
    /// is false for a key that is absent, and for every other single value.
    pub(super) fn demanded(&self) -> Option<(&ContextKey, Vec<&str>)> {
        let Operator::Texts(patterns) = &self.operator else {
            return None;
        };
        let is_plain = self.qualifier == Qualifier::None
            && self.cardinality != Cardinality::Multiple
            && !self.negated
            && !self.if_exists
            && !self.empty;
        let values = patterns.iter().map(|pattern| match pattern {
            Pattern::Literal(text) => Some(&**text),
            Pattern::Any | Pattern::Prefix(_) | Pattern::Glob(_) | Pattern::Variable(_) => None,
        });
        let values: Option<Vec<&str>> = values.collect();
        values
            .filter(|_| is_plain)
            .map(|values| (&self.key, values))
    }

    /// The table of COND-6 with the rules around it.
    pub(super) fn holds(&self, context: &Context) -> Truth {
        let values: &[CompactString] = match context.get(&self.key) {
            // COND-9: every row of the table.
            Some(ContextValue::Unknown) => return Truth::Undetermined,
            Some(ContextValue::Values(values)) => values,
            None => &[],
        };
        // KEY-4: a longer list than declared has no answer, whatever is asked of it.
        if self.cardinality == Cardinality::Single && values.len() > 1 {
            return Truth::Undetermined;
        }
        if let Operator::Null { absent, present } = self.operator {
            return null(values, absent, present);
        }
        match self.qualifier {
            Qualifier::None => self.single(values, context),
            Qualifier::All | Qualifier::Any => self.set(values, context),
        }
    }

    fn single(&self, values: &[CompactString], context: &Context) -> Truth {
        if self.cardinality == Cardinality::Multiple {
            // SET-1: a set tested as one value has no answer for either polarity.
            return Truth::Undetermined;
        }
        match values {
            [] => (self.negated || self.if_exists).into(),
            [value] => self
                .operator
                .any(value, context, self.negated)
                .negated_if(self.negated),
            // KEY-4: a longer list than declared.
            _ => Truth::Undetermined,
        }
    }

    fn set(&self, values: &[CompactString], context: &Context) -> Truth {
        let all = self.qualifier == Qualifier::All;
        if self.empty {
            // DOC-9: only the absence of values is a subset of nothing, and nothing meets it.
            return (all && values.is_empty()).into();
        }
        if values.is_empty() {
            return match (all, self.if_exists) {
                (true, _) => Truth::True,
                (false, false) => Truth::False,
                (false, true) => Truth::Undetermined,
            };
        }
        let each = values.iter().map(|value| {
            self.operator
                .any(value, context, self.negated)
                .negated_if(self.negated)
        });
        let result = if all {
            Truth::all(each)
        } else {
            Truth::any(each)
        };
        // SET-7: a list of empty strings is also called a null data set; when that reading gives
        // another answer, there is none.
        let null_reading = Truth::from(all);
        if values.iter().all(CompactString::is_empty) && result != null_reading {
            return Truth::Undetermined;
        }
        result
    }
}

/// OP-18 and OP-19.
fn null(values: &[CompactString], absent: bool, present: bool) -> Truth {
    if absent && present {
        return Truth::True;
    }
    if values.is_empty() {
        return absent.into();
    }
    if values.iter().all(CompactString::is_empty) {
        return Truth::Undetermined;
    }
    present.into()
}

impl Operator {
    fn compile(base: Base, values: &[ConditionValue]) -> Self {
        let texts = || values.iter().filter_map(text);
        match base {
            Base::StringEquals | Base::StringNotEquals | Base::StringLike | Base::StringNotLike => {
                Self::Texts(texts().map(Pattern::compile).collect())
            }
            Base::StringEqualsIgnoreCase | Base::StringNotEqualsIgnoreCase => {
                Self::TextsIgnoringCase(texts().map(|t| t.tokens.as_slice().into()).collect())
            }
            Base::ArnEquals | Base::ArnLike | Base::ArnNotEquals | Base::ArnNotLike => {
                Self::Arns(texts().map(ArnTest::compile).collect())
            }
            Base::Numeric(comparison) => {
                Self::Numbers(comparison, values.iter().filter_map(number).collect())
            }
            Base::Date(comparison) => {
                Self::Instants(comparison, values.iter().filter_map(instant).collect())
            }
            Base::IpAddress | Base::NotIpAddress => {
                Self::Ranges(values.iter().filter_map(range).collect())
            }
            Base::Bool => Self::Truth(values.iter().filter_map(truth).collect()),
            Base::BinaryEquals => Self::Bytes(values.iter().filter_map(bytes).collect()),
            Base::Null => {
                let asks = |wanted| values.iter().filter_map(truth).any(|value| value == wanted);
                Self::Null {
                    absent: asks(true),
                    present: asks(false),
                }
            }
        }
    }

    /// `any(r)`: whether the request value `value` meets any policy value, by the positive test.
    ///
    /// `negated` says that the result will be negated: an unresolved variable is then undetermined
    /// and not merely false (VAR-8).
    fn any(&self, value: &str, context: &Context, negated: bool) -> Truth {
        let hole = |hole| match hole {
            Hole::Undetermined => Truth::Undetermined,
            Hole::Unresolved if negated => Truth::Undetermined,
            Hole::Unresolved => Truth::False,
        };
        match self {
            Self::Texts(patterns) => Truth::any(patterns.iter().map(|pattern| {
                pattern
                    .matches(value, context)
                    .map_or_else(hole, Truth::from)
            })),
            Self::TextsIgnoringCase(texts) => Truth::any(texts.iter().map(|tokens| {
                resolve(tokens, context)
                    .map_or_else(hole, |pieces| spells_ignoring_case(&pieces, value).into())
            })),
            Self::Arns(tests) => match RequestArn::split(value) {
                None => unreadable(tests.is_empty()),
                Some(arn) => Truth::any(
                    tests
                        .iter()
                        .map(|test| test.matches(&arn, context, negated)),
                ),
            },
            Self::Numbers(comparison, numbers) => match Decimal::parse(value) {
                None => unreadable(numbers.is_empty()),
                Some(got) => numbers
                    .iter()
                    .any(|number| comparison.holds(got.cmp(number)))
                    .into(),
            },
            Self::Instants(comparison, instants) => match Timestamp::parse(value) {
                Err(_) => unreadable(instants.is_empty()),
                Ok(got) => instants
                    .iter()
                    .any(|instant| comparison.holds(got.cmp(instant)))
                    .into(),
            },
            Self::Ranges(ranges) => match parse_address(value) {
                None => unreadable(ranges.is_empty()),
                Some(address) => ranges.iter().any(|range| range.contains(address)).into(),
            },
            Self::Truth(wanted) => match read_truth(value) {
                None => unreadable(wanted.is_empty()),
                Some(got) => wanted.contains(&got).into(),
            },
            Self::Bytes(wanted) => any_bytes(wanted, value),
            // Judged before, for it looks at presence and not at values.
            Self::Null { .. } => Truth::Undetermined,
        }
    }
}

/// OP-13: whether the text decodes to any of these.
fn any_bytes(wanted: &[Box<[u8]>], value: &str) -> Truth {
    // No value is longer than this (LIM-5), and what it decodes to is shorter.
    let mut decoded = [0; Context::MAX_CHARS];
    let length = STANDARD.decode_slice(value, &mut decoded).ok();
    match length.and_then(|length| decoded.get(..length)) {
        None => unreadable(wanted.is_empty()),
        Some(got) => wanted.iter().any(|bytes| **bytes == *got).into(),
    }
}

/// OP-2: undetermined for every policy value; an empty list of them matches nothing.
fn unreadable(no_values: bool) -> Truth {
    if no_values {
        Truth::False
    } else {
        Truth::Undetermined
    }
}

fn read_truth(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

impl Comparison {
    /// Whether a request value that stands so to the policy value satisfies the comparison. The
    /// negated equality is asked positively here and negated by the caller.
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equals | Self::NotEquals => ordering.is_eq(),
            Self::LessThan => ordering.is_lt(),
            Self::LessThanEquals => ordering.is_le(),
            Self::GreaterThan => ordering.is_gt(),
            Self::GreaterThanEquals => ordering.is_ge(),
        }
    }
}

/// The components 2 to 6 of an ARN in a request; they may be empty.
struct RequestArn<'a>([&'a str; 5]);

impl<'a> RequestArn<'a> {
    fn split(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        if parts.next() != Some("arn") {
            return None;
        }
        let mut components = [""; 5];
        for slot in &mut components {
            *slot = parts.next()?;
        }
        // ARN-1: the resource of a real ARN is not empty.
        let [.., resource] = components;
        (!resource.is_empty()).then_some(Self(components))
    }
}

impl ArnTest {
    fn compile(template: &Template) -> Self {
        if !template.has_variable()
            && let Some(parts) = template.split_at_colons(6)
            && let [_, partition, service, region, account, resource] = parts.as_slice()
        {
            let parts = [partition, service, region, account, resource];
            return Self::Split(Box::new(parts.map(Pattern::compile)));
        }
        Self::Late(template.tokens.as_slice().into())
    }

    fn matches(&self, arn: &RequestArn<'_>, context: &Context, negated: bool) -> Truth {
        match self {
            Self::Split(patterns) => patterns
                .iter()
                .zip(arn.0)
                .all(|(pattern, component)| pattern.matches_plain(component))
                .into(),
            Self::Late(tokens) => match resolve(tokens, context) {
                Err(Hole::Unresolved) if !negated => Truth::False,
                Err(Hole::Unresolved | Hole::Undetermined) => Truth::Undetermined,
                Ok(pieces) => match split_arn(&pieces) {
                    Some([first, rest @ ..]) if spells(&first, "arn") => rest
                        .iter()
                        .zip(arn.0)
                        .all(|(pieces, component)| covers(pieces, component))
                        .into(),
                    _ => Truth::Undetermined,
                },
            },
        }
    }
}

/// Whether the pieces are exactly `text`, with no wildcard among them.
fn spells(pieces: &[Piece<'_>], text: &str) -> bool {
    pieces.iter().all(|piece| matches!(piece, Piece::Text(_))) && covers(pieces, text)
}

fn text(value: &ConditionValue) -> Option<&Template> {
    match value {
        ConditionValue::Text(template) => Some(template),
        _ => None,
    }
}

fn number(value: &ConditionValue) -> Option<Decimal> {
    match value {
        ConditionValue::Number(number) => Some(*number),
        _ => None,
    }
}

fn instant(value: &ConditionValue) -> Option<Timestamp> {
    match value {
        ConditionValue::Instant(instant) => Some(*instant),
        _ => None,
    }
}

fn range(value: &ConditionValue) -> Option<IpRange> {
    match value {
        ConditionValue::Range(range) => Some(*range),
        _ => None,
    }
}

fn truth(value: &ConditionValue) -> Option<bool> {
    match value {
        ConditionValue::Truth(truth) => Some(*truth),
        _ => None,
    }
}

fn bytes(value: &ConditionValue) -> Option<Box<[u8]>> {
    match value {
        ConditionValue::Bytes(bytes) => Some(bytes.as_slice().into()),
        _ => None,
    }
}
