//! `Condition`: operators, keys and values (COND-1 to COND-7, OP-1 to OP-18).

use super::Reader;
use crate::model::{ContextKey, Timestamp};
use crate::policy::Cardinality;
use crate::policy::decimal::Decimal;
use crate::policy::document::{Base, Condition, ConditionValue, Qualifier};
use crate::policy::ip_range::IpRange;
use crate::policy::node::{Mark, Member, Node, Value};
use crate::policy::template::{Syntax, Template};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::HashSet;

impl Reader<'_> {
    pub(super) fn conditions(&mut self, node: &Node) -> Vec<Condition> {
        let Some(element) = node.member("Condition") else {
            return Vec::new();
        };
        let Some(operators) = element.members() else {
            let message = "`Condition` is a mapping: operator, then key, then values";
            self.findings.error("DOC-18", element.mark, message);
            return Vec::new();
        };
        if operators.is_empty() {
            self.findings
                .warning("DOC-9", element.mark, "`Condition` is empty");
        }
        let mut conditions = Vec::new();
        let mut seen = HashSet::new();
        for operator in operators {
            if !seen.insert(operator.name.to_ascii_lowercase()) {
                let message = format!("the operator `{}` stands here twice", operator.name);
                self.findings.error("DOC-2", operator.mark, message);
            }
            self.operator(operator, &mut conditions);
        }
        conditions
    }

    fn operator(&mut self, member: &Member, conditions: &mut Vec<Condition>) {
        let Some((qualifier, base, if_exists)) = self.operator_name(member) else {
            return;
        };
        let Some(tests) = member.value.members() else {
            let message = format!("under `{}` stands a mapping of keys to values", member.name);
            self.findings.error("DOC-18", member.value.mark, message);
            return;
        };
        if tests.is_empty() {
            let message = format!("no key stands under `{}`", member.name);
            self.findings.error("DOC-9", member.value.mark, message);
        }
        let mut seen = HashSet::new();
        for test in tests {
            let key = ContextKey::new(&test.name);
            if !seen.insert(key.clone()) {
                let message = format!("the key `{}` stands under one operator twice", test.name);
                self.findings.error("DOC-2", test.mark, message);
            }
            if test.name.is_empty() || test.name.contains(['*', '?']) || test.name.contains("${") {
                let message = format!("the key `{}` may hold no wildcards or variables", test.name);
                self.findings.error("COND-5", test.mark, message);
            }
            let cardinality = self.keys.cardinality(&key);
            let mut condition = Condition {
                qualifier,
                base,
                if_exists,
                operator: member.name.clone(),
                key,
                key_text: test.name.clone(),
                cardinality,
                values: Vec::new(),
            };
            self.values(&test.value, &mut condition);
            self.review_condition(test.mark, &condition);
            conditions.push(condition);
        }
    }

    /// COND-4.
    fn operator_name(&mut self, member: &Member) -> Option<(Qualifier, Base, bool)> {
        let text = member.name.as_str();
        let folded = text.to_ascii_lowercase();
        let (qualifier, rest) = if let Some(rest) = folded.strip_prefix("forallvalues:") {
            (Qualifier::All, rest)
        } else if let Some(rest) = folded.strip_prefix("foranyvalue:") {
            (Qualifier::Any, rest)
        } else {
            (Qualifier::None, folded.as_str())
        };
        let (name, if_exists) = match rest.strip_suffix("ifexists") {
            Some(name) => (name, true),
            None => (rest, false),
        };
        let Some(base) = Base::parse(name) else {
            let message = format!("`{text}` is not a condition operator");
            self.findings.error("COND-4", member.mark, message);
            return None;
        };
        if base == Base::Null && (if_exists || qualifier != Qualifier::None) {
            let message = "`Null` takes neither `IfExists` nor a set qualifier";
            self.findings.error("COND-4", member.mark, message);
            return None;
        }
        Some((qualifier, base, if_exists))
    }

    fn values(&mut self, node: &Node, condition: &mut Condition) {
        let items = match &node.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        if items.is_empty() {
            self.no_values(node.mark, condition);
        }
        for item in items {
            let text = match &item.value {
                Value::Text(text) | Value::Number(text) => text.clone(),
                Value::Bool(value) => value.to_string(),
                Value::Null | Value::List(_) | Value::Map(_) => {
                    let message = format!("a condition value is a scalar, not {}", item.kind());
                    self.findings.error("DOC-6", item.mark, message);
                    continue;
                }
            };
            let value = self.value(&text, item.mark, condition);
            condition.values.extend(value);
        }
        if condition.base == Base::Bool && items.len() > 1 {
            self.findings
                .error("OP-12", node.mark, "`Bool` takes one value");
        }
    }

    /// DOC-9: what an empty list of values means.
    fn no_values(&mut self, mark: Mark, condition: &Condition) {
        let defined = match condition.qualifier {
            Qualifier::All | Qualifier::Any => true,
            Qualifier::None => condition.if_exists,
        };
        if !defined || condition.base.is_negated() {
            let message = format!("no value stands under `{}`", condition.key_text);
            self.findings.error("DOC-9", mark, message);
        } else {
            let message = format!(
                "no value stands under `{}`: nothing matches",
                condition.key_text
            );
            self.findings.warning("DOC-9", mark, message);
        }
    }

    fn value(&mut self, text: &str, mark: Mark, condition: &Condition) -> Option<ConditionValue> {
        let base = condition.base;
        if text.chars().count() > 2048 {
            self.findings
                .error("LIM-5", mark, "the value has more than 2048 characters");
            return None;
        }
        if !base.takes_variables() && self.variables && text.contains("${") {
            let message = format!("`{text}`: `{}` takes no variables", condition.operator);
            self.findings.error("VAR-2", mark, message);
            return None;
        }
        let value = match base {
            Base::Numeric(_) => Decimal::parse(text).map(ConditionValue::Number),
            Base::Date(_) => return self.date(text, mark),
            Base::Bool | Base::Null => match text.to_ascii_lowercase().as_str() {
                "true" => Some(ConditionValue::Truth(true)),
                "false" => Some(ConditionValue::Truth(false)),
                _ => None,
            },
            Base::BinaryEquals => STANDARD.decode(text).ok().map(ConditionValue::Bytes),
            Base::IpAddress | Base::NotIpAddress => {
                let read = IpRange::parse(text);
                if read.is_some_and(|read| read.had_host_bits) {
                    let message = format!("`{text}`: bits behind the prefix are ignored");
                    self.findings.warning("OP-15", mark, message);
                }
                read.map(|read| ConditionValue::Range(read.range))
            }
            _ => return self.text(text, mark, condition),
        };
        if value.is_none() {
            let (rule, what) = match base {
                Base::Numeric(_) => ("OP-6", "a number"),
                Base::Bool => ("OP-12", "`true` or `false`"),
                Base::Null => ("OP-18", "`true` or `false`"),
                Base::BinaryEquals => ("OP-13", "base64 with padding"),
                _ => ("OP-14", "an IP address or range in CIDR form"),
            };
            self.findings
                .error(rule, mark, format!("`{text}` is not {what}"));
        }
        value
    }

    fn date(&mut self, text: &str, mark: Mark) -> Option<ConditionValue> {
        match Timestamp::parse(text) {
            Ok(instant) => {
                let digits = text.bytes().all(|byte| byte.is_ascii_digit());
                if digits && instant.seconds() >= 100_000_000_000 {
                    let message = format!("`{text}` is read as seconds: are milliseconds meant?");
                    self.findings.warning("OP-9", mark, message);
                }
                Some(ConditionValue::Instant(instant))
            }
            Err(fault) => {
                let year = matches!(fault, crate::model::InvalidTimestamp::YearOrEpoch(_));
                self.findings
                    .error(if year { "OP-9" } else { "OP-8" }, mark, fault.to_string());
                None
            }
        }
    }

    fn text(&mut self, text: &str, mark: Mark, condition: &Condition) -> Option<ConditionValue> {
        self.old_variables(&[(text, mark)]);
        let wildcards = condition.base.takes_wildcards();
        let syntax = Syntax {
            wildcards,
            variables: self.variables,
        };
        let template = match Template::parse(text, syntax) {
            Ok(template) => template,
            Err(fault) => {
                self.findings
                    .error("VAR-3", mark, format!("`{text}`: {fault}"));
                return None;
            }
        };
        if template
            .variables()
            .any(|key| self.keys.cardinality(key) == Cardinality::Multiple)
        {
            let message = format!("`{text}`: a key with several values cannot be a variable");
            self.findings.error("VAR-4", mark, message);
        }
        if condition.base.is_arn() && !template.has_variable() {
            let arn = template.split_at_colons(6);
            if arn.is_none_or(|parts| parts.first().and_then(Template::as_literal) != Some("arn")) {
                let message = format!("`{text}` is not an ARN of six components");
                let hint = "use `StringLike` for a part of an ARN, or `Null` for presence";
                self.findings.error_with_hint("OP-17", mark, message, hint);
                return None;
            }
        }
        if condition.base.is_string() && !wildcards && text.contains(['*', '?']) {
            let escaped = text.contains("${*}") || text.contains("${?}");
            if !(escaped && self.variables) {
                let message = format!(
                    "`{text}`: `*` and `?` are plain text under `{}`",
                    condition.operator
                );
                self.findings
                    .warning_with_hint("OP-4", mark, message, "use `StringLike`");
            }
        }
        Some(ConditionValue::Text(template))
    }
}
