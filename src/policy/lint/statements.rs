//! Doubts about a document by itself.

use crate::policy::resource_record::ResourceRecord;
use crate::policy::template::{Template, Token};
use crate::policy::{
    ActionPattern, Base, Condition, ConditionValue, Diagnostic, Effect, Element, Policy,
    PolicyKind, PrincipalEntry, ResourcePattern, Statement,
};
use std::collections::HashMap;

/// Keys that tell on whose behalf a service calls (EV-35).
const SOURCE_KEYS: [&str; 4] = [
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
];

pub(super) fn check(policy: &Policy, diagnostics: &mut Vec<Diagnostic>) {
    for statement in &policy.statements {
        let mut tell = |rule, message: &str, hint: &str| {
            let doubt = Diagnostic::warning(rule, statement.place.clone(), message);
            diagnostics.push(doubt.hint(hint));
        };
        if statement.effect == Effect::Allow {
            if statement.action.negated {
                tell(
                    "ACT-4",
                    "`Allow` with `NotAction` reaches every other action of every service",
                    "list the actions in `Action`",
                );
            }
            if policy.kind == PolicyKind::Resource {
                check_callers(statement, &mut tell);
            }
            if policy.kind == PolicyKind::Identity && escalates(statement) {
                tell(
                    "LNT-2",
                    "whoever has this may pass or assume any role, and so become more than it is",
                    "name the roles in `Resource`, or add a condition on `iam:PassedToService`",
                );
            }
        }
        if statement.effect == Effect::Allow && reaches_other_namespaces(&statement.conditions) {
            tell(
                "K8S-05",
                "`*` matches `:` as well, so service accounts of other namespaces are let in",
                "write the namespace out, with the colon behind it: `system:serviceaccount:shop:*`",
            );
        }
        if contradicts_itself(&statement.conditions) {
            tell(
                "LNT-3",
                "a key has to be absent and to have a value, so the statement never matches",
                "remove one of the conditions",
            );
        }
        if hangs_on_the_caller(statement) {
            tell(
                "VAR-10",
                "a variable that some callers do not have stands where its absence cannot be told",
                "give it a default, or test the key with `Null` in the same statement",
            );
        }
    }
    superfluous(policy, diagnostics);
}

/// LNT-1 and EV-35.
fn check_callers(statement: &Statement, tell: &mut impl FnMut(&'static str, &str, &str)) {
    let Some(principal) = &statement.principal else {
        return;
    };
    let is = |wanted: fn(&PrincipalEntry) -> bool| principal.entries.iter().any(wanted);
    if is(|entry| *entry == PrincipalEntry::Everyone) && statement.conditions.is_empty() {
        tell(
            "LNT-1",
            "everyone is let in, anonymous callers included",
            "name the principals, or add a condition such as `aws:PrincipalOrgID`",
        );
    }
    let guarded = statement
        .conditions
        .iter()
        .any(|condition| SOURCE_KEYS.contains(&condition.key.as_str()));
    if is(|entry| matches!(entry, PrincipalEntry::Service(_))) && !guarded {
        tell(
            "EV-35",
            "the service is let in whoever it works for",
            "add a condition on `aws:SourceArn` or `aws:SourceAccount`",
        );
    }
}

/// Whether a condition on the subject of a token is a pattern that has no end within the namespace
/// of a service account: `system:serviceaccount:prod*` admits the namespace `prod-evil`.
fn reaches_other_namespaces(conditions: &[Condition]) -> bool {
    const PREFIX: &str = "system:serviceaccount:";
    let is_wide = |value: &ConditionValue| {
        let ConditionValue::Text(template) = value else {
            return false;
        };
        let [Token::Literal(text), Token::Many | Token::One, ..] = template.tokens.as_slice()
        else {
            return false;
        };
        match text.strip_prefix(PREFIX) {
            Some(behind) => !behind.contains(':'),
            None => text.starts_with("system:") && PREFIX.starts_with(text.as_str()),
        }
    };
    conditions.iter().any(|condition| {
        matches!(condition.base, Base::StringLike | Base::ArnLike)
            && condition.key.as_str().ends_with(":sub")
            && condition.values.iter().any(is_wide)
    })
}

/// Whether a statement lets its holder pass or assume any role.
fn escalates(statement: &Statement) -> bool {
    let named = |prefix, name| {
        let mut entries = statement.action.entries.iter();
        let covers =
            |entry: &ActionPattern| *entry != ActionPattern::All && entry.covers(prefix, name);
        !statement.action.negated && entries.any(covers)
    };
    let any_role = statement.resource.as_ref().is_some_and(|resource| {
        let reaches_all = |entry: &ResourcePattern| match entry {
            ResourcePattern::All => true,
            ResourcePattern::Arn { resource, .. } => {
                let tokens = resource.tokens.as_slice();
                matches!(tokens, [Token::Many])
                    || matches!(tokens, [Token::Literal(text), Token::Many] if text == "role/")
            }
        };
        !resource.negated && resource.entries.iter().any(reaches_all)
    });
    any_role
        && statement.conditions.is_empty()
        && (named("iam", "passrole") || named("sts", "assumerole"))
}

/// Whether one condition asks for the absence of a key and another one for a value of it.
fn contradicts_itself(conditions: &[Condition]) -> bool {
    let absent = |condition: &&Condition| {
        condition.base == Base::Null && condition.values == [ConditionValue::Truth(true)]
    };
    conditions.iter().filter(absent).any(|null| {
        conditions.iter().any(|other| {
            let present =
                other.base == Base::Null && other.values == [ConditionValue::Truth(false)];
            let asks_a_value = other.base != Base::Null
                && !other.base.is_negated()
                && !other.if_exists
                && other.qualifier != crate::policy::Qualifier::All;
            other.key == null.key && (present || asks_a_value)
        })
    })
}

/// VAR-10: a variable without default in `NotResource` or under a negated operator.
fn hangs_on_the_caller(statement: &Statement) -> bool {
    let is_doubtful = |template: &Template| {
        template.tokens.iter().any(|token| {
            matches!(token, Token::Variable { key, default: None }
                if matches!(key.as_str(), "aws:username" | "aws:tokenissuetime" | "aws:sourceip")
                    || key.as_str().starts_with("aws:principaltag/"))
        })
    };
    let in_resource = statement.resource.as_ref().is_some_and(|resource| {
        let parts = resource.entries.iter().filter_map(|entry| match entry {
            ResourcePattern::All => None,
            ResourcePattern::Arn { resource, .. } => Some(resource),
        });
        resource.negated && parts.into_iter().any(is_doubtful)
    });
    let in_condition = statement
        .conditions
        .iter()
        .filter(|condition| condition.base.is_negated())
        .flat_map(|condition| &condition.values)
        .any(|value| matches!(value, ConditionValue::Text(template) if is_doubtful(template)));
    in_resource || in_condition
}

/// LNT-4: a statement that says nothing that another one of the document does not say.
fn superfluous(policy: &Policy, diagnostics: &mut Vec<Diagnostic>) {
    // A wider statement is about everything, or about the same resource.
    let mut broad = Vec::new();
    let mut by_resource: HashMap<&ResourcePattern, Vec<usize>> = HashMap::new();
    for (at, statement) in policy.statements.iter().enumerate() {
        match &statement.resource {
            Some(element)
                if !element.negated && !element.entries.contains(&ResourcePattern::All) =>
            {
                for entry in &element.entries {
                    by_resource.entry(entry).or_default().push(at);
                }
            }
            _ => broad.push(at),
        }
    }
    for (at, statement) in policy.statements.iter().enumerate() {
        let first = statement
            .resource
            .as_ref()
            .and_then(|element| element.entries.first());
        let same = first
            .and_then(|entry| by_resource.get(entry))
            .into_iter()
            .flatten();
        let mut others: Vec<usize> = broad.iter().chain(same).copied().collect();
        others.sort_unstable();
        let mut others = others
            .into_iter()
            .filter_map(|at| Some((at, policy.statements.get(at)?)));
        let wider = others.find(|(other_at, other)| {
            // Of two that say the same the later one is superfluous.
            *other_at != at
                && covers(other, statement)
                && (*other_at < at || !covers(statement, other))
        });
        if let Some((_, wider)) = wider {
            let message = format!("the statement at {} says this already", wider.place);
            let doubt = Diagnostic::warning("LNT-4", statement.place.clone(), message);
            diagnostics.push(doubt.hint("remove one of them"));
        }
    }
}

/// Whether `wide` matches whatever `narrow` matches, as far as it can be told from the texts.
fn covers(wide: &Statement, narrow: &Statement) -> bool {
    wide.effect == narrow.effect
        && wide.principal == narrow.principal
        && wide
            .conditions
            .iter()
            .all(|condition| narrow.conditions.contains(condition))
        && element_covers(&wide.action, &narrow.action, action_covers)
        && match (&wide.resource, &narrow.resource) {
            (None, None) => true,
            (Some(wide), Some(narrow)) => element_covers(wide, narrow, |wide, narrow| {
                wide == narrow || *wide == ResourcePattern::All
            }),
            _ => false,
        }
}

fn element_covers<T: PartialEq>(
    wide: &Element<T>,
    narrow: &Element<T>,
    covers: impl Fn(&T, &T) -> bool,
) -> bool {
    if wide.negated || narrow.negated {
        return wide == narrow;
    }
    let mut entries = narrow.entries.iter();
    entries.all(|narrow| wide.entries.iter().any(|wide| covers(wide, narrow)))
}

fn action_covers(wide: &ActionPattern, narrow: &ActionPattern) -> bool {
    match narrow {
        ActionPattern::Named { prefix, name } if !name.contains(['*', '?']) => {
            wide.covers(prefix, name)
        }
        _ => wide == narrow || *wide == ActionPattern::All,
    }
}

/// PRI-10.
pub(super) fn check_partition(
    record: &ResourceRecord,
    policy: &Policy,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let Some(partition) = record
        .arn
        .split(':')
        .nth(1)
        .filter(|text| !text.contains('*'))
    else {
        return;
    };
    for statement in &policy.statements {
        let entries = statement
            .principal
            .iter()
            .flat_map(|element| &element.entries);
        let foreign = entries.clone().any(|entry| match entry {
            PrincipalEntry::User(arn)
            | PrincipalEntry::Role(arn)
            | PrincipalEntry::RoleSession(arn)
            | PrincipalEntry::FederatedUser(arn) => arn.partition() != partition,
            PrincipalEntry::Account {
                partition: Some(written),
                ..
            } => written != partition,
            _ => false,
        });
        if foreign {
            let message =
                format!("a principal is not of the partition `{partition}`, and never matches");
            diagnostics.push(Diagnostic::warning(
                "PRI-10",
                statement.place.clone(),
                message,
            ));
        }
    }
}
