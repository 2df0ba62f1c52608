//! Doubts that only whoever knows the services can have.

use crate::policy::template::Token;
use crate::policy::{
    ActionPattern, Diagnostic, Policy, ResourcePattern, Service, ServiceProtocol, Statement, s3,
};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// The actions of all services, and what they are done to.
#[derive(Debug)]
pub(super) struct Actions<'s> {
    services: BTreeMap<&'s str, Known<'s>>,
    /// By the service component of ARNs: the shapes that the last component has.
    shapes: BTreeMap<&'s str, Vec<Vec<Piece>>>,
}

/// A piece of a pattern or of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Character(char),
    One,
    Many,
}

#[derive(Debug, Default)]
struct Known<'s> {
    /// By folded name: whether the action has a resource. An action that is only listed may have.
    actions: BTreeMap<Cow<'s, str>, bool>,
    /// Whether there are others, which nobody lists.
    has_others: bool,
    /// The service components of the ARNs of its resources.
    arns: BTreeSet<&'s str>,
}

impl<'s> Actions<'s> {
    pub(super) fn of(services: &'s [Service]) -> Self {
        let mut known: BTreeMap<&str, Known<'_>> = BTreeMap::new();
        let mut shapes: BTreeMap<&str, Vec<Vec<Piece>>> = BTreeMap::new();
        for service in services {
            let entry = known.entry(&service.prefix).or_default();
            for action in service.actions.iter().chain(&service.no_permission) {
                entry.actions.insert(action.name().into(), true);
            }
            for route in &service.routes {
                let has_resource = route.resource.is_some();
                let action = entry.actions.entry(route.action.name().into()).or_default();
                *action |= has_resource;
                let template = route
                    .resource
                    .as_deref()
                    .filter(|text| text.starts_with("arn:"));
                entry.arns.extend(template.and_then(component));
            }
            entry.add_protocol(service);
            let types = service.resources.values();
            entry
                .arns
                .extend(types.filter_map(|kind| component(&kind.arn)));
        }
        let types = services
            .iter()
            .flat_map(|service| service.resources.values())
            .map(|kind| kind.arn.as_str());
        let routes = services.iter().flat_map(|service| &service.routes);
        let of_routes = routes.filter_map(|route| route.resource.as_deref());
        for arn in types.chain(of_routes) {
            let mut components = arn.splitn(6, ':');
            if let (Some(service), Some(resource)) = (components.nth(2), components.nth(2)) {
                shapes.entry(service).or_default().push(shape(resource));
            }
        }
        Self {
            services: known,
            shapes,
        }
    }

    pub(super) fn check(&self, policy: &Policy, diagnostics: &mut Vec<Diagnostic>) {
        for statement in &policy.statements {
            self.check_names(statement, diagnostics);
            self.check_pairs(statement, diagnostics);
            self.check_shapes(statement, diagnostics);
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
            if !found && !known.has_others {
                let message = format!("the service `{prefix}` has no action `{name}`");
                let doubt = Diagnostic::warning("ACT-7", statement.place.clone(), message);
                let hint = match nearest(name, known.actions.keys().map(AsRef::as_ref)) {
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
            without_resource &= !known.has_others && covered.all(|(_, has_resource)| !has_resource);
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

impl Known<'_> {
    /// The actions that the protocol of a service gives it.
    fn add_protocol(&mut self, service: &Service) {
        let mut add = |name: String, has_resource: bool| {
            let action = self.actions.entry(Cow::Owned(name)).or_default();
            *action |= has_resource;
        };
        match service.protocol {
            ServiceProtocol::Routes => {}
            ServiceProtocol::S3 => {
                let folded = |name: &str| {
                    let (_, name) = name.split_once(':').unwrap_or(("", name));
                    name.to_ascii_lowercase()
                };
                for operation in s3::OPERATIONS {
                    let names = operation.actions.iter().chain(operation.of_version);
                    let has_resource = operation.level != s3::Level::Service;
                    names.for_each(|name| add(folded(name), has_resource));
                }
                for name in s3::BY_CONTENT {
                    add(folded(name), true);
                }
            }
            ServiceProtocol::AwsQuery(_)
            | ServiceProtocol::AwsJson(_)
            | ServiceProtocol::Grpc(_) => {
                for operation in &service.operations {
                    let name = operation.action.as_ref();
                    let name = name.map_or(operation.name.as_str(), |action| action.name());
                    add(name.to_ascii_lowercase(), !operation.resource.is_empty());
                }
                self.has_others |= service.resources.is_empty();
            }
        }
    }
}

impl Actions<'_> {
    /// LNT-5: a resource that no type of its service can have.
    fn check_shapes(&self, statement: &Statement, diagnostics: &mut Vec<Diagnostic>) {
        let entries = statement
            .resource
            .iter()
            .flat_map(|element| &element.entries);
        for entry in entries {
            let ResourcePattern::Arn {
                service, resource, ..
            } = entry
            else {
                continue;
            };
            let Some(service) = service.as_literal() else {
                continue;
            };
            let pattern = pieces(&resource.tokens);
            let Some(shapes) = self.shapes.get(service) else {
                continue;
            };
            if !shapes.iter().any(|shape| meet(shape, &pattern)) {
                let message =
                    format!("no resource of `{service}` has a name like one of this statement's");
                diagnostics.push(
                    Diagnostic::warning("LNT-5", statement.place.clone(), message)
                        .hint("compare it with `resources` and `routes` of the service"),
                );
                return;
            }
        }
    }
}

pub(super) fn pieces(tokens: &[Token]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for token in tokens {
        match token {
            Token::Literal(text) => pieces.extend(text.chars().map(Piece::Character)),
            Token::One => pieces.push(Piece::One),
            Token::Many | Token::Variable { .. } => pieces.push(Piece::Many),
        }
    }
    pieces
}

/// What the last component of an ARN template looks like: a variable is any text.
fn shape(resource: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = resource;
    while let Some((before, behind)) = rest.split_once("${") {
        pieces.extend(before.chars().map(Piece::Character));
        pieces.push(Piece::Many);
        rest = behind.split_once('}').map_or("", |(_, rest)| rest);
    }
    pieces.extend(rest.chars().map(|character| match character {
        '*' => Piece::Many,
        '?' => Piece::One,
        other => Piece::Character(other),
    }));
    pieces
}

/// Whether some text fits both.
pub(super) fn meet(one: &[Piece], other: &[Piece]) -> bool {
    let mut one = one;
    let mut other = other;
    // What stands alike at both ends meets, and most pairs end here.
    while let (
        [Piece::Character(left), one_rest @ ..],
        [Piece::Character(right), other_rest @ ..],
    ) = (one, other)
    {
        if left != right {
            return false;
        }
        (one, other) = (one_rest, other_rest);
    }
    while let (
        [one_rest @ .., Piece::Character(left)],
        [other_rest @ .., Piece::Character(right)],
    ) = (one, other)
    {
        if left != right {
            return false;
        }
        (one, other) = (one_rest, other_rest);
    }
    // From the end: whether what is left of `one` meets what is left of `other`, for each rest of
    // `other`.
    let only_many = |rest: &[Piece]| rest.iter().all(|piece| *piece == Piece::Many);
    let mut row: Vec<bool> = (0..=other.len())
        .map(|at| other.get(at..).is_some_and(only_many))
        .collect();
    for left in one.iter().rev() {
        let below = row;
        row = vec![false; other.len() + 1];
        let mut beside = *left == Piece::Many && below.last() == Some(&true);
        if let Some(last) = row.last_mut() {
            *last = beside;
        }
        for (at, right) in other.iter().enumerate().rev() {
            let down = below.get(at) == Some(&true);
            let across = below.get(at + 1) == Some(&true);
            let met = match (left, right) {
                // A run is empty, or takes a piece of the other.
                (Piece::Many, _) | (_, Piece::Many) => down || beside,
                (Piece::Character(left), Piece::Character(right)) => left == right && across,
                (Piece::One, _) | (_, Piece::One) => across,
            };
            if let Some(slot) = row.get_mut(at) {
                *slot = met;
            }
            beside = met;
        }
    }
    row.first() == Some(&true)
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
