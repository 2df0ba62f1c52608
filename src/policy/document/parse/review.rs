//! What is doubtful about a condition or a statement that keeps the grammar.

use super::Reader;
use crate::policy::Cardinality;
use crate::policy::document::{
    ActionPattern, Base, Condition, ConditionValue, Effect, Element, PolicyKind, PrincipalEntry,
    Qualifier,
};
use crate::policy::node::{Mark, Node};

/// Keys that name one account, organization or network: a wildcard there defeats them (KEY-7).
const IDENTIFIER_KEYS: &[&str] = &[
    "aws:principalaccount",
    "aws:principalorgid",
    "aws:resourceaccount",
    "aws:resourceorgid",
    "aws:sourceaccount",
    "aws:sourceorgid",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:vpceaccount",
    "aws:vpceorgid",
];

impl Reader<'_> {
    pub(super) fn review_condition(&mut self, mark: Mark, condition: &Condition) {
        let key = &condition.key_text;
        let declared = self.keys.type_of(&condition.key);
        match declared {
            None => {
                let known_prefix = key.contains(':');
                let message = if known_prefix {
                    format!("nobody declares the condition key `{key}`")
                } else {
                    format!("`{key}` has no service prefix, so no request carries it")
                };
                self.findings.warning("KEY-3", mark, message);
            }
            Some(kind) => {
                let fitting = condition.base.key_types();
                if !fitting.is_empty() && !fitting.contains(&kind.name) {
                    let message = format!(
                        "`{key}` is a {} key; `{}` reads it otherwise",
                        kind.name, condition.operator
                    );
                    self.findings.warning("KEY-5", mark, message);
                }
            }
        }
        if condition.base != Base::Null {
            let qualified = condition.qualifier != Qualifier::None;
            if condition.cardinality == Cardinality::Multiple && !qualified {
                let message = format!("`{key}` holds several values and is tested as one");
                let hint = "put `ForAnyValue:` or `ForAllValues:` before the operator";
                self.findings
                    .warning_with_hint("SET-1", mark, message, hint);
            }
            if declared.is_some() && condition.cardinality == Cardinality::Single && qualified {
                let message = format!("`{key}` holds one value and is tested as a set");
                self.findings.warning("SET-2", mark, message);
            }
        }
        if condition.qualifier == Qualifier::Any && condition.if_exists {
            let message = "`ForAnyValue` with `IfExists` is undetermined when the key is absent";
            self.findings.warning("COND-6", mark, message);
        }
        if let Base::Numeric(comparison) | Base::Date(comparison) = condition.base
            && comparison.is_ordering()
            && condition.values.len() > 1
        {
            let message = "several values under an ordering operator: the loosest one decides";
            self.findings.warning("OP-7", mark, message);
        }
        if condition.base == Base::Null && condition.values.len() > 1 {
            self.findings
                .warning("OP-18", mark, "`Null` with both values always holds");
        }
    }

    /// Doubts that need the whole statement.
    pub(super) fn review(
        &mut self,
        node: &Node,
        effect: Effect,
        principal: Option<&Element<PrincipalEntry>>,
        action: Option<&Element<ActionPattern>>,
        conditions: &[Condition],
    ) {
        if self.kind == PolicyKind::Trust && effect == Effect::Allow {
            self.review_trust(node, principal, action, conditions);
        }
        for condition in conditions {
            if effect == Effect::Allow {
                self.review_allow_condition(node, condition, conditions);
            }
        }
    }

    fn review_allow_condition(&mut self, node: &Node, condition: &Condition, all: &[Condition]) {
        let key = &condition.key;
        let wild = condition.values.iter().any(
            |value| matches!(value, ConditionValue::Text(template) if template.has_wildcard()),
        );
        if condition.base == Base::StringLike && wild && IDENTIFIER_KEYS.contains(&key.as_str()) {
            let message = format!("a wildcard on `{}` defeats its purpose", condition.key_text);
            self.findings.warning("KEY-7", node.mark, message);
        }
        if matches!(key.as_str(), "aws:useragent" | "aws:referer") {
            let message = format!("`{}` is whatever the caller writes", condition.key_text);
            self.findings.warning("KEY-9", node.mark, message);
        }
        let guarded = all.iter().any(|other| {
            other.key == *key
                && (other.qualifier == Qualifier::Any
                    || (other.base == Base::Null && other.values == [ConditionValue::Truth(false)]))
        });
        if condition.qualifier == Qualifier::All && !guarded {
            let message = format!(
                "`ForAllValues` on `{}` also holds when the key is absent",
                condition.key_text
            );
            let hint = "add `Null` with `false` on the same key";
            self.findings
                .warning_with_hint("SET-3", node.mark, message, hint);
        }
    }

    /// TYP-6 and ROLE-4.
    fn review_trust(
        &mut self,
        node: &Node,
        principal: Option<&Element<PrincipalEntry>>,
        action: Option<&Element<ActionPattern>>,
        conditions: &[Condition],
    ) {
        let (Some(principal), Some(action)) = (principal, action) else {
            return;
        };
        let saml = |entry: &PrincipalEntry| matches!(entry, PrincipalEntry::Federated(text) if text.contains(":saml-provider/"));
        let federated = |entry: &PrincipalEntry| matches!(entry, PrincipalEntry::Federated(_));
        let covers = |wanted: &str| {
            let covered = action
                .entries
                .iter()
                .any(|entry| entry.covers("sts", wanted));
            covered != action.negated
        };
        if principal.entries.is_empty() || !principal.entries.iter().all(federated) {
            return;
        }
        if principal.entries.iter().all(saml) {
            if !covers("assumerolewithsaml") {
                let message = "a SAML provider needs the action `sts:AssumeRoleWithSAML`";
                self.findings.error("TYP-6", node.mark, message);
            }
            return;
        }
        if !principal.entries.iter().any(saml) && !covers("assumerolewithwebidentity") {
            let message = "an OIDC provider needs the action `sts:AssumeRoleWithWebIdentity`";
            self.findings.error("TYP-6", node.mark, message);
        }
        let bound = conditions.iter().any(|condition| {
            let key = condition.key.as_str();
            key.ends_with(":sub") || key.ends_with(":aud")
        });
        if !bound {
            let message = "any token of the provider may assume this role";
            let hint = "add a condition on the provider's `aud` or `sub`";
            self.findings
                .warning_with_hint("ROLE-4", node.mark, message, hint);
        }
    }
}
