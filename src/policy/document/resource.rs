//! `Resource` and `NotResource` (RES-1 to RES-8).

use crate::policy::document::PolicyKind;
use crate::policy::findings::Findings;
use crate::policy::node::Mark;
use crate::policy::template::{Syntax, Template, Token};

/// One entry of a resource element.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ResourcePattern {
    /// A run of `*`: every resource, and the token of actions without resource (RES-12).
    All,
    /// An ARN with wildcards, and variables in its last component.
    Arn {
        /// Component 2.
        partition: Template,
        /// Component 3.
        service: Template,
        /// Component 4.
        region: Template,
        /// Component 5.
        account: Template,
        /// Component 6.
        resource: Template,
    },
}

impl ResourcePattern {
    /// Reads one entry; what is wrong goes to `findings`.
    pub(in crate::policy) fn parse(
        text: &str,
        kind: PolicyKind,
        variables: bool,
        mark: Mark,
        findings: &mut Findings,
    ) -> Option<Self> {
        if !text.is_empty() && text.bytes().all(|byte| byte == b'*') {
            return Some(Self::All);
        }
        let before = findings.errors();
        if text.chars().count() > 2048 {
            findings.error("LIM-5", mark, "the pattern has more than 2048 characters");
            return None;
        }
        let template = match Template::parse(
            text,
            Syntax {
                wildcards: true,
                variables,
            },
        ) {
            Ok(template) => template,
            Err(fault) => {
                findings.error("VAR-3", mark, format!("`{text}`: {fault}"));
                return None;
            }
        };
        let parts = components(text, &template, kind, mark, findings)?;
        let [arn, partition, service, region, account, resource] = parts;
        if arn.as_literal() != Some("arn") {
            let message = format!("`{text}` is neither `*` nor an ARN");
            let hint = "write `arn:partition:service:region:account:resource`";
            findings.error_with_hint("RES-1", mark, message, hint);
            return None;
        }
        check_head(
            text,
            [&partition, &service, &region, &account],
            mark,
            findings,
        );
        check_tail(text, &resource, mark, findings);
        (findings.errors() == before).then_some(Self::Arn {
            partition,
            service,
            region,
            account,
            resource,
        })
    }

    /// The parts that may hold variables.
    #[must_use]
    pub fn variable_part(&self) -> Option<&Template> {
        match self {
            Self::All => None,
            Self::Arn { resource, .. } => Some(resource),
        }
    }
}

/// Splits into six components, filling up a short ARN whose last component ends in `*` (RES-7).
fn components(
    text: &str,
    template: &Template,
    kind: PolicyKind,
    mark: Mark,
    findings: &mut Findings,
) -> Option<[Template; 6]> {
    if let Some(parts) = template.split_at_colons(6) {
        return parts.try_into().ok();
    }
    let mut parts = (3..6)
        .rev()
        .find_map(|count| template.split_at_colons(count));
    let ends_in_star = template.tokens.last() == Some(&Token::Many);
    let is_arn = text.starts_with("arn:");
    match &mut parts {
        Some(parts) if is_arn && ends_in_star && kind != PolicyKind::ResourceControl => {
            let hint = "write all six components";
            let message =
                format!("`{text}` has fewer than six components; the missing ones match all");
            findings.warning_with_hint("RES-7", mark, message, hint);
            parts.resize(
                6,
                Template {
                    tokens: vec![Token::Many],
                },
            );
        }
        _ => {
            let rule = if is_arn { "RES-7" } else { "RES-1" };
            let message = if is_arn {
                format!("`{text}` has fewer than six components")
            } else {
                format!("`{text}` is neither `*` nor an ARN")
            };
            let hint = "write `arn:partition:service:region:account:resource`";
            findings.error_with_hint(rule, mark, message, hint);
            return None;
        }
    }
    parts.and_then(|parts| parts.try_into().ok())
}

/// Checks components 2 to 5 (RES-2, RES-3, RES-6, RES-8).
fn check_head(text: &str, head: [&Template; 4], mark: Mark, findings: &mut Findings) {
    let [partition, service, region, account] = head;
    if head.iter().any(|part| part.has_variable()) {
        let message = format!("`{text}`: a variable may stand only behind the fifth colon");
        findings.error("RES-8", mark, message);
        return;
    }
    let literals = |part: &Template| -> String {
        let literal = |token: &Token| match token {
            Token::Literal(text) => Some(text.clone()),
            Token::One | Token::Many | Token::Variable { .. } => None,
        };
        part.tokens.iter().filter_map(literal).collect()
    };
    let lower = |part: &Template| {
        literals(part)
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    for (name, part) in [
        ("partition", partition),
        ("service", service),
        ("region", region),
    ] {
        if !lower(part) {
            let message = format!(
                "`{text}`: the {name} may hold only lower-case letters, digits, `-` and wildcards"
            );
            findings.error("RES-6", mark, message);
        }
    }
    if partition.tokens.is_empty() || service.tokens.is_empty() {
        findings.error(
            "RES-6",
            mark,
            format!("`{text}`: partition and service may not be empty"),
        );
    }
    if service.has_wildcard() {
        let message = format!("`{text}`: the service should be named without wildcards");
        findings.warning("RES-3", mark, message);
    }
    let digits = literals(account);
    let whole = account.has_wildcard() || digits.is_empty() || digits.len() == 12;
    let vendor = digits == "aws" && !account.has_wildcard();
    let numeric = whole && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !vendor && !numeric {
        let message = format!("`{text}`: the account must be twelve digits, empty, or wildcards");
        findings.error("RES-6", mark, message);
    }
}

/// Checks component 6 (RES-4, RES-5).
fn check_tail(text: &str, resource: &Template, mark: Mark, findings: &mut Findings) {
    if resource.tokens.is_empty() {
        let message = format!("`{text}` has an empty resource and matches nothing");
        findings.warning("RES-4", mark, message);
    }
    // The type is what stands before the first `/` or `:`; a wildcard there reaches other types.
    let mut wildcard = false;
    for token in &resource.tokens {
        match token {
            Token::Literal(literal) if literal.contains(['/', ':']) => {
                if wildcard {
                    let message = format!("`{text}`: a wildcard stands in the resource type");
                    findings.warning("RES-5", mark, message);
                }
                return;
            }
            Token::One | Token::Many => wildcard = true,
            Token::Literal(_) | Token::Variable { .. } => {}
        }
    }
    // A pattern that ends in its type part, such as `bo*`, reaches every type that begins so; a
    // lone `*` says that it means all of them, and buckets have no types.
    let everything = matches!(resource.tokens.as_slice(), [Token::Many]);
    if wildcard && !everything && !text.starts_with("arn:aws:s3:") {
        let message = format!("`{text}`: a wildcard stands in the resource type");
        findings.warning("RES-5", mark, message);
    }
}
