//! ARN templates: `arn:${Partition}:orders:${Region}:${Account}:order/${OrderId}`.

use super::error::ResourceFault;
use super::matcher::is_variable;
use super::rule;
use crate::model::{AccountId, Arn};
use crate::policy::Service;
use std::borrow::Cow;

/// A template as written, with the service's own variables filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ArnTemplate {
    owner: AccountId,
    parts: Vec<Part>,
}

/// A template whose variables are all captures of one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BoundTemplate {
    owner: AccountId,
    parts: Vec<BoundPart>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(Box<str>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum BoundPart {
    Text(Box<str>),
    Value {
        capture: usize,
        /// The text that ends the value in the ARN, where its end has to be found by it.
        end: Option<Box<str>>,
    },
}

/// Why a template cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TemplateFault {
    #[error(
        "`{0}` is not an ARN template: `arn:partition:service:region:account:resource` is needed"
    )]
    Shape(String),
    #[error("`{text}` cannot be the {name} of an ARN")]
    Component { name: &'static str, text: String },
    #[error("`{0}` is not a variable: `${{Name}}` is needed")]
    Placeholder(String),
    #[error("`{text}` holds a variable that cannot stand as the {name} of an ARN")]
    Misplaced { name: &'static str, text: String },
    #[error("nothing fills the variable `${{{0}}}`")]
    Unfilled(Box<str>),
    #[error("the variables `${{{0}}}` and `${{{1}}}` run together")]
    RunTogether(Box<str>, Box<str>),
    #[error("no account owns the resource")]
    NoOwner,
    #[error("the template has more than {limit} bytes", limit = Arn::LIMIT)]
    TooLong,
}

impl TemplateFault {
    /// The rule that the template breaks.
    pub(super) const fn rule(&self) -> &'static str {
        match self {
            Self::Shape(_) | Self::Component { .. } | Self::Placeholder(_) | Self::TooLong => {
                rule::TEMPLATE
            }
            Self::Misplaced { .. } => rule::MISPLACED,
            Self::Unfilled(_) => rule::UNFILLED,
            Self::RunTogether(..) => rule::RUN_TOGETHER,
            Self::NoOwner => rule::OWNER,
        }
    }

    /// What to do about it.
    pub(super) const fn hint(&self) -> &'static str {
        match self {
            Self::Shape(_) | Self::Component { .. } => {
                "for example `arn:${Partition}:orders:${Region}:${Account}:order/${OrderId}`"
            }
            Self::Placeholder(_) => "a name has letters, digits and `_`, and no prefix",
            Self::Misplaced { .. } => {
                "`${Partition}`, `${Region}` and `${Account}` stand in their own places, variables of the path behind the fifth colon"
            }
            Self::Unfilled(_) => {
                "name it in the path of the route, as `{Name}`; `${Account}` needs the service's `account`"
            }
            Self::RunTogether(..) => {
                "put a `/` between them, or other text that values do not hold"
            }
            Self::NoOwner => "set `account` on the service, or name it in the ARN",
            Self::TooLong => "shorten it",
        }
    }
}

impl ArnTemplate {
    /// Reads a template and fills `${Partition}`, `${Region}` and `${Account}` from the service.
    ///
    /// A service without region leaves the region empty, as ARNs of global services have it.
    pub(super) fn parse(text: &str, service: &Service) -> Result<Self, TemplateFault> {
        if text.len() > Arn::LIMIT {
            return Err(TemplateFault::TooLong);
        }
        let shape = || TemplateFault::Shape(text.to_owned());
        // The whole first, so that `${a:b}` is told for what it is, and splits nothing below.
        split_parts(text)?;
        let mut components = text.splitn(6, ':');
        let mut component = || components.next().ok_or_else(shape);
        if component()? != "arn" {
            return Err(shape());
        }
        let partition = match component()? {
            "${Partition}" => service.partition.as_str(),
            text => literal(text, "partition")?,
        };
        let name = literal(component()?, "service")?;
        let region = match component()? {
            "${Region}" => service.region.as_deref().unwrap_or_default(),
            text => literal(text, "region")?,
        };
        let account = Account::read(component()?, service)?;
        let resource = component()?;
        if resource.is_empty() || resource.chars().any(char::is_control) {
            return Err(TemplateFault::Component {
                name: "resource",
                text: resource.to_owned(),
            });
        }
        if partition.is_empty() || name.is_empty() {
            return Err(shape());
        }
        let mut parts = vec![Part::Text(format!(
            "arn:{partition}:{name}:{region}:{}:",
            account.text()
        ))];
        for part in split_parts(resource)? {
            push(&mut parts, fill(part, service)?);
        }
        Ok(Self {
            owner: account.owner,
            parts,
        })
    }

    /// The account that owns such resources (CTX-4).
    pub(super) const fn owner(&self) -> AccountId {
        self.owner
    }

    /// The names of the variables.
    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Variable(name) => Some(&**name),
        })
    }

    /// The third component of such ARNs.
    pub(super) fn service(&self) -> &str {
        match self.parts.first() {
            Some(Part::Text(text)) => text.split(':').nth(2).unwrap_or_default(),
            Some(Part::Variable(_)) | None => "",
        }
    }

    /// How much of such ARNs is the same in all of them, in bytes.
    pub(super) fn literal_length(&self) -> usize {
        let texts = self.parts.iter().map(|part| match part {
            Part::Text(text) => text.len(),
            Part::Variable(_) => 0,
        });
        texts.sum()
    }

    /// The values of the variables in an ARN, if it is one of such: a value ends where the text
    /// behind it first stands, and the last one takes the rest. No value is empty.
    pub(super) fn read<'a>(&self, arn: &'a Arn) -> Option<Vec<(&str, &'a str)>> {
        let mut rest = arn.as_str();
        let mut values = Vec::new();
        let mut parts = self.parts.iter().peekable();
        while let Some(part) = parts.next() {
            match part {
                Part::Text(text) => rest = rest.strip_prefix(text.as_str())?,
                Part::Variable(name) => {
                    let end = match parts.peek() {
                        Some(Part::Text(text)) => rest.find(text.as_str())?,
                        Some(Part::Variable(_)) => return None,
                        None => rest.len(),
                    };
                    let (value, behind) = rest.split_at_checked(end)?;
                    if value.is_empty() {
                        return None;
                    }
                    values.push((&**name, value));
                    rest = behind;
                }
            }
        }
        rest.is_empty().then_some(values)
    }

    /// The ARN for these values; `None` when one is missing or the whole is no ARN.
    pub(super) fn fill(&self, values: &[(&str, &str)]) -> Option<Arn> {
        let mut text = String::with_capacity(96);
        for part in &self.parts {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Variable(name) => {
                    let value = values.iter().find(|(known, _)| *known == &**name);
                    text.push_str(value?.1);
                }
            }
        }
        Arn::parse(&text).ok()
    }

    /// Joins the variables with the captures of a route, named in order.
    pub(super) fn bind(&self, captures: &[&str]) -> Result<BoundTemplate, TemplateFault> {
        let mut parts = Vec::new();
        for (at, part) in self.parts.iter().enumerate() {
            parts.push(match part {
                Part::Text(text) => BoundPart::Text(text.as_str().into()),
                Part::Variable(name) => BoundPart::Value {
                    capture: captures
                        .iter()
                        .position(|capture| *capture == &**name)
                        .ok_or_else(|| TemplateFault::Unfilled(name.clone()))?,
                    end: self.end(name, at)?,
                },
            });
        }
        Ok(BoundTemplate {
            owner: self.owner,
            parts,
        })
    }

    /// The text behind the variable at `at`, where another variable follows it: the value ends where
    /// that text first stands, so that no two sets of values give one ARN.
    ///
    /// A `/` in that text is enough by itself, for only one value can hold slashes.
    fn end(&self, name: &str, at: usize) -> Result<Option<Box<str>>, TemplateFault> {
        let mut behind = self.parts.iter().skip(at + 1);
        match (behind.next(), behind.next()) {
            (Some(Part::Variable(other)), _) => {
                Err(TemplateFault::RunTogether(name.into(), other.clone()))
            }
            (Some(Part::Text(between)), Some(_)) if !between.contains('/') => {
                Ok(Some(between.as_str().into()))
            }
            (Some(Part::Text(_)) | None, _) => Ok(None),
        }
    }
}

impl BoundTemplate {
    /// The account that owns such resources (CTX-4).
    pub(super) const fn owner(&self) -> AccountId {
        self.owner
    }

    /// The ARN for these values of the route's captures; values are literal text (RES-13).
    pub(super) fn render(&self, values: &[Cow<'_, str>]) -> Result<Arn, ResourceFault> {
        let mut text = String::with_capacity(96);
        for part in &self.parts {
            match part {
                BoundPart::Text(literal) => text.push_str(literal),
                BoundPart::Value { capture, end } => {
                    let value = values.get(*capture).ok_or(ResourceFault::NotAnArn)?;
                    if end.as_deref().is_some_and(|end| !ends_at(value, end)) {
                        return Err(ResourceFault::Separator);
                    }
                    text.push_str(value);
                }
            }
            if text.len() > Arn::LIMIT {
                return Err(ResourceFault::TooLong);
            }
        }
        Arn::parse(&text).map_err(|_| ResourceFault::NotAnArn)
    }
}

/// Whether `end`, written behind `value`, first stands right behind it.
fn ends_at(value: &str, end: &str) -> bool {
    format!("{value}{end}").find(end) == Some(value.len())
}

/// The fifth component: its text, if the template gives one, and the owner of the resource.
struct Account {
    owner: AccountId,
    written: bool,
}

impl Account {
    fn read(text: &str, service: &Service) -> Result<Self, TemplateFault> {
        match text {
            "" => Ok(Self {
                owner: service.account.ok_or(TemplateFault::NoOwner)?,
                written: false,
            }),
            "${Account}" => Ok(Self {
                owner: service
                    .account
                    .ok_or_else(|| TemplateFault::Unfilled("Account".into()))?,
                written: true,
            }),
            text if text.contains("${") => Err(TemplateFault::Misplaced {
                name: "account",
                text: text.to_owned(),
            }),
            text => Ok(Self {
                owner: AccountId::parse(text).map_err(|_| TemplateFault::Component {
                    name: "account",
                    text: text.to_owned(),
                })?,
                written: true,
            }),
        }
    }

    fn text(&self) -> &str {
        if self.written {
            self.owner.as_str()
        } else {
            ""
        }
    }
}

/// One of the components 2 to 4, written out.
fn literal<'a>(text: &'a str, name: &'static str) -> Result<&'a str, TemplateFault> {
    let written = text.to_owned();
    if text.contains("${") {
        Err(TemplateFault::Misplaced {
            name,
            text: written,
        })
    } else if !is_component(text) {
        Err(TemplateFault::Component {
            name,
            text: written,
        })
    } else {
        Ok(text)
    }
}

/// Whether `text` may be a partition, service or region: lower case (ARN-7), or empty.
pub(super) fn is_component(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.bytes().all(fits)
}

fn split_parts(text: &str) -> Result<Vec<Part>, TemplateFault> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("${") {
        let invalid = || TemplateFault::Placeholder(format!("${{{behind}"));
        let (name, behind) = behind.split_once('}').ok_or_else(invalid)?;
        if !is_variable(name) {
            return Err(TemplateFault::Placeholder(format!("${{{name}}}")));
        }
        push(&mut parts, Part::Text(before.to_owned()));
        parts.push(Part::Variable(name.into()));
        rest = behind;
    }
    push(&mut parts, Part::Text(rest.to_owned()));
    Ok(parts)
}

fn fill(part: Part, service: &Service) -> Result<Part, TemplateFault> {
    let Part::Variable(name) = &part else {
        return Ok(part);
    };
    let text = match &**name {
        "Partition" => service.partition.clone(),
        "Region" => service.region.clone().unwrap_or_default(),
        "Account" => service
            .account
            .ok_or_else(|| TemplateFault::Unfilled(name.clone()))?
            .to_string(),
        _ => return Ok(part),
    };
    Ok(Part::Text(text))
}

/// Adds a part, so that no two texts stand side by side and none is empty.
fn push(parts: &mut Vec<Part>, part: Part) {
    match (parts.last_mut(), part) {
        (_, Part::Text(text)) if text.is_empty() => {}
        (Some(Part::Text(before)), Part::Text(text)) => before.push_str(&text),
        (_, part) => parts.push(part),
    }
}

#[cfg(test)]
mod tests;
