//! The parameters of the query API, every one of them looked at (STS-01 to STS-03, STS-09).

use crate::mapping::Query;
use crate::model::{Body, HttpCall};
use crate::pdp::issue::{
    AssumeRole, AssumeRoleWithWebIdentity, FederationToken, IssueFault, Proof, SessionPolicies,
    SessionToken,
};
use crate::sts::unknown_action;
use std::collections::{BTreeMap, BTreeSet, HashSet};

const VERSION: &str = "2011-06-15";
/// The most tags of a call.
const MAX_TAGS: usize = 50;
/// The longest token that a client may ask for, in characters.
const MAX_MIN_CHARS: u32 = 4_096;

/// What is asked.
#[derive(Debug)]
pub(super) enum Ask {
    AssumeRole(AssumeRole),
    WebIdentity(AssumeRoleWithWebIdentity),
    SessionToken(SessionToken),
    FederationToken(FederationToken),
    CallerIdentity,
    AccessKeyInfo(String),
    DecodeMessage(String),
}

impl Ask {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::AssumeRole(_) => "AssumeRole",
            Self::WebIdentity(_) => "AssumeRoleWithWebIdentity",
            Self::SessionToken(_) => "GetSessionToken",
            Self::FederationToken(_) => "GetFederationToken",
            Self::CallerIdentity => "GetCallerIdentity",
            Self::AccessKeyInfo(_) => "GetAccessKeyInfo",
            Self::DecodeMessage(_) => "DecodeAuthorizationMessage",
        }
    }
}

/// The parameters of a call; each is taken once, and none may be left over.
#[derive(Debug)]
pub(super) struct Parameters {
    action: String,
    rest: BTreeMap<String, String>,
}

fn validation(message: impl Into<String>) -> IssueFault {
    IssueFault::Validation(message.into())
}

/// A value that has not the form that it has to have; `shown` is false for what is secret.
fn constraint(name: &str, value: &str, shown: bool, what: &str) -> IssueFault {
    let value = if shown { value } else { "***" };
    let value: String = value.chars().take(256).collect();
    let mut letters = name.chars();
    let first = letters.next().map(|first| first.to_ascii_lowercase());
    let name: String = first.into_iter().chain(letters).collect();
    validation(format!(
        "1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: Member must {what}"
    ))
}

impl Parameters {
    /// Reads a call: a form in the body of a POST, or the query of a GET, and never both.
    pub(super) fn read(call: &HttpCall) -> Result<Self, IssueFault> {
        let (path, query) = call.target.split_once('?').unwrap_or((&call.target, ""));
        if path != "/" {
            return Err(unknown_action(
                "InvalidAction",
                "there is nothing at this path".to_owned(),
            ));
        }
        let Body::Known(body) = &call.body else {
            return Err(validation("the body was not shown"));
        };
        let text = match call.method.as_str() {
            "GET" if body.is_empty() => query,
            "POST" if query.is_empty() => {
                let kind = call.headers.single("content-type").ok().flatten();
                let kind = kind.unwrap_or_default().to_ascii_lowercase();
                let (kind, _) = kind.split_once(';').unwrap_or((&kind, ""));
                if kind.trim() != "application/x-www-form-urlencoded" {
                    return Err(validation(
                        "the body is not application/x-www-form-urlencoded",
                    ));
                }
                std::str::from_utf8(body).map_err(|_| validation("the body is not UTF-8"))?
            }
            _ => return Err(validation("a call is a GET, or a POST without a query")),
        };
        let pairs = Query::read_form(text).map_err(|fault| validation(fault.to_string()))?;
        let is_of_signature = |name: &str| call.method == "GET" && name.starts_with("X-Amz-");
        let mut rest = BTreeMap::new();
        for (name, value) in pairs.iter().filter(|(name, _)| !is_of_signature(name)) {
            if rest.insert(name.to_owned(), value.to_owned()).is_some() {
                return Err(validation(format!("the parameter {name} is there twice")));
            }
        }
        let Some(action) = rest.remove("Action") else {
            return Err(unknown_action(
                "MissingAction",
                "the parameter Action is missing".to_owned(),
            ));
        };
        let version = rest.remove("Version").unwrap_or_default();
        if version != VERSION {
            let message = format!("Could not find operation {action} for version {version}");
            return Err(unknown_action("InvalidAction", message));
        }
        Ok(Self { action, rest })
    }

    /// What is asked.
    pub(super) fn ask(mut self) -> Result<Ask, IssueFault> {
        let ask = match self.action.as_str() {
            "AssumeRole" => Ask::AssumeRole(self.assume_role()?),
            "AssumeRoleWithWebIdentity" => Ask::WebIdentity(self.web_identity()?),
            "GetSessionToken" => Ask::SessionToken(SessionToken {
                duration_s: self.duration()?,
                proof: self.proof()?,
                min_chars: self.min_chars()?,
            }),
            "GetFederationToken" => {
                let name = self.required("Name", (2, 32), is_name)?;
                Ask::FederationToken(FederationToken {
                    name,
                    duration_s: self.duration()?,
                    policies: self.policies()?,
                    tags: self.tags()?,
                    min_chars: self.min_chars()?,
                })
            }
            "GetCallerIdentity" => Ask::CallerIdentity,
            "GetAccessKeyInfo" => {
                let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
                Ask::AccessKeyInfo(self.required("AccessKeyId", (16, 128), is_word)?)
            }
            "DecodeAuthorizationMessage" => {
                Ask::DecodeMessage(self.secret("EncodedMessage", (1, 10_240))?)
            }
            _ => {
                let message = format!(
                    "Could not find operation {} for version {VERSION}",
                    self.action
                );
                return Err(unknown_action("InvalidAction", message));
            }
        };
        match self.rest.keys().next() {
            None => Ok(ask),
            Some(name) => Err(unknown_action(
                "InvalidQueryParameter",
                format!("the parameter {name} is not one of {}", self.action),
            )),
        }
    }

    fn assume_role(&mut self) -> Result<AssumeRole, IssueFault> {
        if self
            .rest
            .keys()
            .any(|name| name.starts_with("ProvidedContexts"))
        {
            return Err(validation("ProvidedContexts are not taken"));
        }
        let tags = self.tags()?;
        let transitive = self.list("TransitiveTagKeys", MAX_TAGS)?;
        let mut folded = HashSet::new();
        for key in &transitive {
            let is_passed = tags
                .iter()
                .any(|(passed, _)| passed.to_lowercase() == key.to_lowercase());
            if !is_passed || !folded.insert(key.to_lowercase()) {
                return Err(validation(format!(
                    "The transitive tag key {key} is not one of the tags, or is there twice"
                )));
            }
        }
        let source_identity = self.optional("SourceIdentity", (2, 64), is_name)?;
        if source_identity.as_deref().is_some_and(is_reserved) {
            return Err(validation("SourceIdentity may not begin with aws:"));
        }
        let external = |c: char| is_name(c) || matches!(c, ':' | '/');
        Ok(AssumeRole {
            role_arn: self.required("RoleArn", (20, 2_048), |c| !c.is_control())?,
            session_name: self.required("RoleSessionName", (2, 64), is_name)?,
            duration_s: self.duration()?,
            policies: self.policies()?,
            tags,
            transitive,
            external_id: self.optional("ExternalId", (2, 1_224), external)?,
            proof: self.proof()?,
            source_identity,
            min_chars: self.min_chars()?,
        })
    }

    fn web_identity(&mut self) -> Result<AssumeRoleWithWebIdentity, IssueFault> {
        if self.rest.contains_key("ProviderId") {
            return Err(validation(
                "ProviderId is for access tokens of OAuth 2.0, which are not taken",
            ));
        }
        Ok(AssumeRoleWithWebIdentity {
            role_arn: self.required("RoleArn", (20, 2_048), |c| !c.is_control())?,
            session_name: self.required("RoleSessionName", (2, 64), is_name)?,
            token: self.secret("WebIdentityToken", (4, 20_000))?,
            duration_s: self.duration()?,
            policies: self.policies()?,
            min_chars: self.min_chars()?,
        })
    }

    fn optional(
        &mut self,
        name: &str,
        (least, most): (usize, usize),
        fits: impl Fn(char) -> bool,
    ) -> Result<Option<String>, IssueFault> {
        let Some(value) = self.rest.remove(name) else {
            return Ok(None);
        };
        check(name, &value, (least, most), true)?;
        if !value.chars().all(fits) {
            return Err(constraint(
                name,
                &value,
                true,
                "satisfy regular expression pattern",
            ));
        }
        Ok(Some(value))
    }

    fn required(
        &mut self,
        name: &str,
        bounds: (usize, usize),
        fits: impl Fn(char) -> bool,
    ) -> Result<String, IssueFault> {
        let value = self.optional(name, bounds, fits)?;
        value.ok_or_else(|| missing(name))
    }

    fn secret(&mut self, name: &str, bounds: (usize, usize)) -> Result<String, IssueFault> {
        let value = self.rest.remove(name).ok_or_else(|| missing(name))?;
        check(name, &value, bounds, false)?;
        Ok(value)
    }

    fn number(&mut self, name: &str, most: u32) -> Result<Option<u32>, IssueFault> {
        let Some(value) = self.rest.remove(name) else {
            return Ok(None);
        };
        let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        let number = value
            .parse()
            .ok()
            .filter(|number| digits && *number <= most);
        let what = format!("be a number of at most {most}");
        number
            .map(Some)
            .ok_or_else(|| constraint(name, &value, true, &what))
    }

    fn duration(&mut self) -> Result<Option<u32>, IssueFault> {
        self.number("DurationSeconds", u32::MAX)
    }

    fn min_chars(&mut self) -> Result<usize, IssueFault> {
        let number = self.number("MinimumSessionTokenSize", MAX_MIN_CHARS)?;
        Ok(number.unwrap_or_default() as usize)
    }

    fn proof(&mut self) -> Result<Option<Proof>, IssueFault> {
        let serial = |c: char| is_name(c) || matches!(c, ':' | '/');
        let serial = self.optional("SerialNumber", (9, 256), serial)?;
        let code = self.rest.remove("TokenCode");
        match (serial, code) {
            (None, None) => Ok(None),
            (Some(serial), Some(code)) => {
                let is_code = code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit());
                if !is_code {
                    return Err(constraint("TokenCode", &code, false, "be six digits"));
                }
                Ok(Some(Proof { serial, code }))
            }
            _ => Err(validation("SerialNumber and TokenCode go together")),
        }
    }

    fn policies(&mut self) -> Result<SessionPolicies, IssueFault> {
        let stored = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}');
        let inline = self.optional("Policy", (1, 100_000), stored)?;
        let mut arns = Vec::new();
        for mut fields in self.structures("PolicyArns", 10)? {
            arns.push(
                fields
                    .remove("arn")
                    .ok_or_else(|| missing("PolicyArns.member.arn"))?,
            );
            leftover("PolicyArns", &fields)?;
        }
        Ok(SessionPolicies { inline, arns })
    }

    fn tags(&mut self) -> Result<Vec<(String, String)>, IssueFault> {
        let mut tags: Vec<(String, String)> = Vec::new();
        let mut folded = HashSet::new();
        for mut fields in self.structures("Tags", MAX_TAGS)? {
            let key = fields
                .remove("Key")
                .ok_or_else(|| missing("Tags.member.Key"))?;
            let value = fields
                .remove("Value")
                .ok_or_else(|| missing("Tags.member.Value"))?;
            leftover("Tags", &fields)?;
            check("Tags.member.Key", &key, (1, 128), true)?;
            check("Tags.member.Value", &value, (0, 256), true)?;
            if !key.chars().chain(value.chars()).all(is_of_tag) {
                return Err(constraint(
                    "Tags",
                    &key,
                    true,
                    "satisfy regular expression pattern",
                ));
            }
            if is_reserved(&key) {
                return Err(validation(format!("The tag key {key} begins with aws:")));
            }
            // TAG-01.
            if !folded.insert(key.to_lowercase()) {
                return Err(validation(
                    "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
                ));
            }
            tags.push((key, value));
        }
        Ok(tags)
    }

    /// `Name.member.N`, from 1 and without a gap (STS-02).
    fn list(&mut self, name: &str, most: usize) -> Result<Vec<String>, IssueFault> {
        let mut items = Vec::new();
        for mut fields in self.structures(name, most)? {
            items.push(fields.remove("").ok_or_else(|| missing(name))?);
            leftover(name, &fields)?;
        }
        Ok(items)
    }

    fn structures(
        &mut self,
        name: &str,
        most: usize,
    ) -> Result<Vec<BTreeMap<String, String>>, IssueFault> {
        // `Name=` is the empty list.
        if self.rest.get(name).is_some_and(String::is_empty) {
            self.rest.remove(name);
        }
        let prefix = format!("{name}.member.");
        let names: Vec<String> = self
            .rest
            .keys()
            .filter(|key| key.starts_with(&prefix))
            .cloned()
            .collect();
        let mut found: BTreeMap<usize, BTreeMap<String, String>> = BTreeMap::new();
        for full in names {
            let rest = full.strip_prefix(&prefix).unwrap_or_default();
            let (number, field) = rest.split_once('.').unwrap_or((rest, ""));
            let is_number =
                !number.starts_with('0') && number.bytes().all(|byte| byte.is_ascii_digit());
            let number = number.parse().ok().filter(|_| is_number);
            let number: usize =
                number.ok_or_else(|| validation(format!("{full} is no item of a list")))?;
            let value = self.rest.remove(&full).unwrap_or_default();
            found
                .entry(number)
                .or_default()
                .insert(field.to_owned(), value);
        }
        let numbers: BTreeSet<usize> = found.keys().copied().collect();
        if numbers.len() > most {
            return Err(constraint(
                name,
                &numbers.len().to_string(),
                true,
                &format!("have length less than or equal to {most}"),
            ));
        }
        if !numbers.iter().copied().eq(1..=numbers.len()) {
            return Err(validation(format!("the items of {name} have a gap")));
        }
        Ok(found.into_values().collect())
    }
}

fn missing(name: &str) -> IssueFault {
    validation(format!(
        "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
    ))
}

fn leftover(name: &str, fields: &BTreeMap<String, String>) -> Result<(), IssueFault> {
    match fields.keys().next() {
        None => Ok(()),
        Some(field) => Err(unknown_action(
            "InvalidQueryParameter",
            format!("the items of {name} have no {field}"),
        )),
    }
}

fn check(
    name: &str,
    value: &str,
    (least, most): (usize, usize),
    shown: bool,
) -> Result<(), IssueFault> {
    let length = value.chars().count();
    if length < least {
        let what = format!("have length greater than or equal to {least}");
        return Err(constraint(name, value, shown, &what));
    }
    if length > most {
        let what = format!("have length less than or equal to {most}");
        return Err(constraint(name, value, shown, &what));
    }
    Ok(())
}

/// `[\w+=,.@-]`, in ASCII.
fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '=' | ',' | '.' | '@' | '-')
}

fn is_of_tag(c: char) -> bool {
    c.is_alphanumeric()
        || (c.is_whitespace() && !c.is_control())
        || matches!(c, '_' | '.' | ':' | '/' | '=' | '+' | '-' | '@')
}

fn is_reserved(text: &str) -> bool {
    text.get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("aws:"))
}
