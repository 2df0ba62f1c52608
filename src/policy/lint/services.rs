//! Doubts that only whoever knows the services can have.

use crate::policy::{ActionPattern, Diagnostic, Policy, ResourcePattern, Service, Statement};
use std::collections::{BTreeMap, BTreeSet};

/// The actions of all services, and what they are done to.
#[derive(Debug)]
pub(super) struct Actions<'s> {
    services: BTreeMap<&'s str, Known<'s>>,
}

#[derive(Debug, Default)]
struct Known<'s> {
    /// By folded name: whether the action has a resource. An action that is only listed may have.
    actions: BTreeMap<&'s str, bool>,
    /// The service components of the ARNs of its resources.
    arns: BTreeSet<&'s str>,
}

impl<'s> Actions<'s> {
    pub(super) fn of(services: &'s [Service]) -> Self {
        let mut known: BTreeMap<&str, Known<'_>> = BTreeMap::new();
        for service in services {
            let entry = known.entry(&service.prefix).or_default();
            for action in service.actions.iter().chain(&service.no_permission) {
                entry.actions.insert(action.name(), true);
            }
            for route in &service.routes {
                let has_resource = route.resource.is_some();
                let action = entry.actions.entry(route.action.name()).or_default();
                *action |= has_resource;
                let template = route
                    .resource
                    .as_deref()
                    .filter(|text| text.starts_with("arn:"));
                entry.arns.extend(template.and_then(component));
            }
            let types = service.resources.values();
            entry
                .arns
                .extend(types.filter_map(|kind| component(&kind.arn)));
        }
        Self { services: known }
    }

    pub(super) fn check(&self, policy: &Policy, diagnostics: &mut Vec<Diagnostic>) {
        for statement in &policy.statements {
            self.check_names(statement, diagnostics);
            self.check_pairs(statement, diagnostics);
        }
    }

    /// ACT-7.
    fn check_names(&self, statement: &Statement, diagnostics: &mut Vec<Diagnostic>) {
        for entry in &statement.action.entries {
            let ActionPattern::Named { prefix, name } = entry else {
                continue;
            };
            let Some(known) = self.services.get(prefix.as_str()) else {
                continue;
            };
            let found = known
                .actions
                .keys()
                .any(|action| entry.covers(prefix, action));
            if !found {
                let message = format!("the service `{prefix}` has no action `{name}`");
                let doubt = Diagnostic::warning("ACT-7", statement.place.clone(), message);
                let hint = match nearest(name, known.actions.keys().copied()) {
                    Some(near) => format!("is `{prefix}:{near}` meant?"),
                    None => "add it to the service's `actions` if it exists".to_owned(),
                };
                diagnostics.push(doubt.hint(hint));
            }
        }
    }

    /// ACT-5 and RES-12: no action of the statement is ever done to one of its resources.
    fn check_pairs(&self, statement: &Statement, diagnostics: &mut Vec<Diagnostic>) {
        let Some(resource) = statement
            .resource
            .as_ref()
            .filter(|resource| !resource.negated)
        else {
            return;
        };
        if statement.action.negated
            || statement.action.entries.is_empty()
            || resource.entries.is_empty()
            || resource.entries.contains(&ResourcePattern::All)
        {
            return;
        }
        let mut without_resource = true;
        let mut foreign = true;
        for entry in &statement.action.entries {
            let ActionPattern::Named { prefix, .. } = entry else {
                return;
            };
            let Some(known) = self.services.get(prefix.as_str()) else {
                return;
            };
            let mut covered = known
                .actions
                .iter()
                .filter(|(action, _)| entry.covers(prefix, action));
            without_resource &= covered.all(|(_, has_resource)| !has_resource);
            foreign &= resource.entries.iter().all(|pattern| match pattern {
                ResourcePattern::All => false,
                ResourcePattern::Arn { service, .. } => service
                    .as_literal()
                    .is_some_and(|service| !known.arns.contains(service)),
            });
        }
        let message = if without_resource {
            "the actions have no resource, and only `*` matches that"
        } else if foreign {
            "the resources are of another service than the actions"
        } else {
            return;
        };
        diagnostics.push(
            Diagnostic::warning("ACT-5", statement.place.clone(), message)
                .hint("the statement never matches as it is"),
        );
    }
}

/// The service component of an ARN template.
fn component(arn: &str) -> Option<&str> {
    arn.split(':').nth(2)
}

/// A known name that differs in a few characters.
fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let measured = known.map(|candidate| (distance(name, candidate), candidate));
    measured
        .min()
        .filter(|(distance, _)| *distance <= 3)
        .map(|(_, candidate)| candidate)
}

/// How many characters have to be put in, taken out or exchanged.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, left) in one.chars().enumerate() {
        let mut diagonal = at;
        let mut before = at + 1;
        let mut next = vec![before];
        for (right, above) in other.iter().zip(row.iter().skip(1)) {
            let exchanged = diagonal + usize::from(left != *right);
            before = exchanged.min(before + 1).min(above + 1);
            diagonal = *above;
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
