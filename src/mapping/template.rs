//! ARN templates: `arn:${Partition}:orders:${Region}:${Account}:order/${OrderId}`.

use super::error::ResourceFault;
use super::matcher::is_variable;
use super::rule;
use crate::model::{AccountId, Arn};
use crate::policy::Service;
use smallvec::SmallVec;
use std::borrow::Cow;

/// A template as written, with the service's own variables filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ArnTemplate {
    owner: AccountId,
    partition: String,
    service: String,
    region: Component,
    account: Component,
    /// The resource component.
    parts: Vec<Part>,
}

/// A component that the template gives, or that the service fills in.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Component {
    text: String,
    /// Whether it is `${Region}` or `${Account}`: the service makes ARNs of its own region and
    /// account, and those of others are of the same type.
    of_service: bool,
}

/// A template whose variables are all captures of one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BoundTemplate {
    template: ArnTemplate,
    /// Which capture fills each of the variables.
    captures: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(Box<str>),
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
            "${Region}" => Component {
                text: service.region.clone().unwrap_or_default(),
                of_service: true,
            },
            text => Component {
                text: literal(text, "region")?.to_owned(),
                of_service: false,
            },
        };
        let (owner, account) = account(component()?, service)?;
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
        let mut parts = Vec::new();
        for part in split_parts(resource)? {
            push(&mut parts, fill(part, service)?);
        }
        Ok(Self {
            owner,
            partition: partition.to_owned(),
            service: name.to_owned(),
            region,
            account,
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
        &self.service
    }

    /// How much of the names of such resources is the same in all of them, in bytes; and whether
    /// region and account are.
    pub(super) fn narrowness(&self) -> (usize, usize) {
        let texts = self.parts.iter().map(|part| match part {
            Part::Text(text) => text.len(),
            Part::Variable(_) => 0,
        });
        let fixed = [&self.region, &self.account].map(|component| !component.of_service);
        (
            texts.sum(),
            fixed.into_iter().filter(|fixed| *fixed).count(),
        )
    }

    /// The values of the variables in an ARN, if it is one of such: a value ends where the text
    /// behind it first stands, and the last one where the text at the end begins. No value is empty.
    pub(super) fn read<'a>(&self, arn: &'a Arn) -> Option<Vec<(&str, &'a str)>> {
        self.values(arn, false)
    }

    /// Whether an ARN would be one of such if values could be empty.
    pub(super) fn resembles(&self, arn: &Arn) -> bool {
        self.values(arn, true).is_some()
    }

    fn values<'a>(&self, arn: &'a Arn, may_be_empty: bool) -> Option<Vec<(&str, &'a str)>> {
        let fits =
            |component: &Component, text: &str| component.of_service || component.text == text;
        if arn.partition() != self.partition
            || arn.service() != self.service
            || !fits(&self.region, arn.region())
            || !fits(&self.account, arn.account_text())
        {
            return None;
        }
        let mut rest = arn.resource();
        let mut values = Vec::new();
        for (at, part) in self.parts.iter().enumerate() {
            let name = match part {
                Part::Text(text) => {
                    rest = rest.strip_prefix(text.as_str())?;
                    continue;
                }
                Part::Variable(name) => name,
            };
            let first = match rest.chars().next() {
                _ if may_be_empty => 0,
                None => return None,
                Some(character) => character.len_utf8(),
            };
            let end = match self.parts.get(at + 1) {
                None => rest.len(),
                Some(Part::Variable(_)) => return None,
                Some(Part::Text(text)) if at + 2 == self.parts.len() => {
                    rest.strip_suffix(text.as_str())?.len()
                }
                // What begins with its own end would be a name within nothing.
                Some(Part::Text(text)) if !may_be_empty && rest.starts_with(text.as_str()) => {
                    return None;
                }
                Some(Part::Text(text)) => first + rest.get(first..)?.find(text.as_str())?,
            };
            if end < first {
                return None;
            }
            let (value, behind) = rest.split_at_checked(end)?;
            values.push((&**name, value));
            rest = behind;
        }
        rest.is_empty().then_some(values)
    }

    /// The ARN for these values, with the region and account of another one where the service fills
    /// them in; `None` when a value is missing or the whole is no ARN.
    pub(super) fn fill(&self, values: &[(&str, &str)], like: &Arn) -> Option<Arn> {
        let value = |name: &str| {
            let known = values.iter().find(|(known, _)| *known == name);
            known.map(|(_, value)| *value)
        };
        let region = self.region.like(like.region());
        let account = self.account.like(like.account_text());
        Arn::parse(&self.write(region, account, value)?).ok()
    }

    /// The ARN of one such resource.
    pub(super) fn example(&self) -> Option<Arn> {
        let text = self.write(&self.region.text, &self.account.text, |_| Some("x"));
        Arn::parse(&text?).ok()
    }

    fn write<'v>(
        &self,
        region: &str,
        account: &str,
        mut value: impl FnMut(&str) -> Option<&'v str>,
    ) -> Option<String> {
        let mut text = String::with_capacity(96);
        for component in ["arn", &self.partition, &self.service, region, account] {
            text.push_str(component);
            text.push(':');
        }
        for part in &self.parts {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Variable(name) => text.push_str(value(name)?),
            }
        }
        Some(text)
    }

    /// Joins the variables with the captures of a route, named in order.
    pub(super) fn bind(&self, captures: &[&str]) -> Result<BoundTemplate, TemplateFault> {
        for pair in self.parts.windows(2) {
            if let [Part::Variable(one), Part::Variable(other)] = pair {
                return Err(TemplateFault::RunTogether(one.clone(), other.clone()));
            }
        }
        let position = |name: &str| {
            let found = captures.iter().position(|capture| *capture == name);
            found.ok_or_else(|| TemplateFault::Unfilled(name.into()))
        };
        Ok(BoundTemplate {
            captures: self.variables().map(position).collect::<Result<_, _>>()?,
            template: self.clone(),
        })
    }
}

impl Component {
    fn like<'a>(&'a self, other: &'a str) -> &'a str {
        if self.of_service { other } else { &self.text }
    }
}

impl BoundTemplate {
    /// The account that owns such resources (CTX-4).
    pub(super) const fn owner(&self) -> AccountId {
        self.template.owner
    }

    /// The ARN for these values of the route's captures; values are literal text (RES-13).
    ///
    /// # Errors
    ///
    /// [`ResourceFault::Separator`] when the ARN would be read as that of another resource than the
    /// values name: two resources must never share an ARN, nor one be taken for another's content.
    pub(super) fn render(&self, values: &[Cow<'_, str>]) -> Result<Arn, ResourceFault> {
        let template = &self.template;
        let wanted: Option<SmallVec<[&str; 4]>> = self
            .captures
            .iter()
            .map(|capture| values.get(*capture).map(AsRef::as_ref))
            .collect();
        let wanted = wanted.ok_or(ResourceFault::NotAnArn)?;
        let mut next = wanted.iter();
        let (region, account) = (&template.region.text, &template.account.text);
        let text = template.write(region, account, |_| next.next().copied());
        let text = text.ok_or(ResourceFault::NotAnArn)?;
        if text.len() > Arn::LIMIT {
            return Err(ResourceFault::TooLong);
        }
        let arn = Arn::parse(&text).map_err(|_| ResourceFault::NotAnArn)?;
        let read = template.read(&arn).ok_or(ResourceFault::Separator)?;
        if read
            .iter()
            .map(|(_, value)| *value)
            .eq(wanted.iter().copied())
        {
            Ok(arn)
        } else {
            Err(ResourceFault::Separator)
        }
    }
}

/// The owner of the resource, and the fifth component.
fn account(text: &str, service: &Service) -> Result<(AccountId, Component), TemplateFault> {
    let component = |text: &str, of_service| Component {
        text: text.to_owned(),
        of_service,
    };
    match text {
        "" => {
            let owner = service.account.ok_or(TemplateFault::NoOwner)?;
            Ok((owner, component("", false)))
        }
        "${Account}" => {
            let owner = service.account;
            let owner = owner.ok_or_else(|| TemplateFault::Unfilled("Account".into()))?;
            Ok((owner, component(owner.as_str(), true)))
        }
        text if text.contains("${") => Err(TemplateFault::Misplaced {
            name: "account",
            text: text.to_owned(),
        }),
        text => {
            let owner = AccountId::parse(text).map_err(|_| TemplateFault::Component {
                name: "account",
                text: text.to_owned(),
            })?;
            Ok((owner, component(text, false)))
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
