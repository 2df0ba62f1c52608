//! What the calls of one route mean.

use super::catalogue::Governed;
use super::definition::{BoundResource, Definition, Kind, MappedService, ResourceTypeFault};
use super::error::MappingError;
use super::matcher::{Matcher, Piece};
use super::path::{Path, PathFault};
use super::query::Query;
use super::rule;
use super::source::{Attribute, Offer, Scope};
use crate::model::{AccountId, Action, HttpCall, ResourceName};
use crate::policy::{Diagnostic, Route};
use smallvec::{SmallVec, smallvec};
use std::borrow::Cow;
use std::sync::Arc;

/// What a call means: an action on a resource, under circumstances that the call itself tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapped<'t> {
    /// The service that the call is for.
    pub service: &'t MappedService,
    /// The route or operation that matched, as written.
    pub route: &'t str,
    /// What is to be done, and to what: all of it, or nothing may be. At least one.
    pub targets: SmallVec<[Target<'t>; 1]>,
    /// The condition keys that the call sets, each with one value at least.
    pub context: Vec<(Cow<'t, str>, Vec<Box<str>>)>,
    /// Condition keys that the call has and nobody can tell; a name that ends in a slash is a
    /// family of them.
    pub unknown: Vec<Cow<'static, str>>,
    /// The headers that were read, in lower case, beyond those that begin with `x-amz-`: a
    /// signature has to cover them (SIG-43).
    pub headers: Vec<&'t str>,
    /// Whether the body was read.
    pub reads_body: bool,
}

/// One action on one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target<'t> {
    /// What is to be done.
    pub action: Cow<'t, Action>,
    /// To what.
    pub resource: ResourceName,
    /// How such resources are governed, as the route has it.
    pub governed: Option<Governed<'t>>,
    /// The account that owns the resource: the one that its ARN template names, else the service's.
    /// `None` when neither does, which only an action without resource can have.
    pub owner: Option<AccountId>,
    /// Condition keys of this target alone.
    pub context: Vec<(&'static str, Box<str>)>,
}

/// A compiled route, without its matcher.
#[derive(Debug)]
pub(super) struct Meaning {
    service: Arc<MappedService>,
    written: Box<str>,
    action: Action,
    resource: Option<BoundResource>,
    captures: Vec<Capture>,
    attributes: Vec<Attribute>,
}

/// Where in a path the value of a variable stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Capture {
    segment: usize,
    extent: Extent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    One,
    /// From the segment on, with the slash at the end if there is one (`raw`).
    Rest,
    /// From the segment on, without the slash that the matcher itself has.
    RestBeforeSlash,
}

impl Meaning {
    /// Compiles a route of a service; tells every fault, and then gives `None`.
    pub(super) fn compile(
        route: &Route,
        matcher: &Matcher,
        definition: &Definition<'_>,
        faults: &mut Vec<Diagnostic>,
    ) -> Option<Self> {
        let before = faults.len();
        let names: Vec<&str> = matcher.variables().collect();
        check_action(route, definition, faults);
        let resource = route
            .resource
            .as_deref()
            .map(|text| resource(text, route, &names, definition, faults));
        let scope = match matcher {
            Matcher::Http(_) => Scope::Http(&names),
            Matcher::Grpc(_) => Scope::Grpc,
        };
        let attributes = attributes(route, definition, scope, faults);
        if faults.len() > before {
            return None;
        }
        Some(Self {
            service: Arc::clone(&definition.facts),
            written: route.matcher.as_str().into(),
            action: route.action.clone(),
            // A resource that is at fault must not pass for none, whoever told of it.
            resource: match resource {
                Some(bound) => Some(bound?),
                None => None,
            },
            captures: captures(matcher),
            attributes,
        })
    }

    /// Whether any variable stands in the matcher, so that a path could match it by accident.
    pub(super) const fn has_captures(&self) -> bool {
        !self.captures.is_empty()
    }

    /// Whether the route was written for HEAD itself.
    pub(super) fn is_for_head(&self) -> bool {
        self.written.starts_with("HEAD ")
    }

    /// Whether a condition key comes from the query.
    pub(super) fn reads_query(&self) -> bool {
        self.attributes.iter().any(Attribute::reads_query)
    }

    /// What `call` means, of which `path` and `query` were read.
    pub(super) fn of(
        &self,
        call: &HttpCall,
        path: &Path<'_>,
        query: &Query<'_>,
    ) -> Result<Mapped<'_>, MappingError> {
        let captures = self
            .captures
            .iter()
            .map(|capture| capture.value(path))
            .collect::<Result<Vec<_>, _>>()
            .map_err(MappingError::AmbiguousPath)?;
        let target = match &self.resource {
            Some(resource) => {
                let action = Cow::Borrowed(&self.action);
                resource.target(&self.service, action, &captures)?
            }
            None => Target::of_service(&self.service, Cow::Borrowed(&self.action)),
        };
        let offer = Offer {
            call,
            query,
            captures: &captures,
            mode: path.mode(),
            document: None,
        };
        let mut context = Vec::with_capacity(self.attributes.len());
        for attribute in &self.attributes {
            let values = attribute.values(offer)?;
            if !values.is_empty() {
                context.push((Cow::Borrowed(attribute.key().as_str()), values));
            }
        }
        let headers = self.attributes.iter().filter_map(Attribute::header);
        Ok(Mapped {
            service: &self.service,
            route: &self.written,
            targets: smallvec![target],
            context,
            unknown: Vec::new(),
            headers: headers.collect(),
            reads_body: false,
        })
    }

    /// The service that the route is of.
    pub(super) fn service(&self) -> &MappedService {
        &self.service
    }
}

impl<'t> Target<'t> {
    /// What a service does without a resource: its account's own business.
    pub(super) fn of_service(service: &'t MappedService, action: Cow<'t, Action>) -> Self {
        Self {
            action,
            resource: ResourceName::Wildcard,
            governed: None,
            owner: service.account,
            context: Vec::new(),
        }
    }
}

impl BoundResource {
    /// What `action` does to the resource that these values name.
    pub(super) fn target<'t>(
        &'t self,
        service: &'t MappedService,
        action: Cow<'t, Action>,
        values: &[Cow<'_, str>],
    ) -> Result<Target<'t>, MappingError> {
        let name = self
            .template
            .render(values)
            .map_err(MappingError::BadResource)?;
        Ok(Target {
            action,
            resource: ResourceName::Arn(name),
            governed: Some(match &self.kind {
                Kind::Type(kind) => Governed::AsType(service, kind),
                Kind::Example(arn) => Governed::Like(arn),
            }),
            owner: Some(self.template.owner()),
            context: Vec::new(),
        })
    }
}

impl Capture {
    fn value<'p>(&self, path: &'p Path<'_>) -> Result<Cow<'p, str>, PathFault> {
        let mut segments = path.segments().iter().skip(self.segment);
        let first = segments.next().ok_or(PathFault::EmptySegment)?.decoded();
        if self.extent == Extent::One {
            return check_single(first).map(|()| Cow::Borrowed(first));
        }
        let mut text = first.to_owned();
        for segment in segments {
            text.push('/');
            text.push_str(segment.decoded());
        }
        if self.extent == Extent::Rest && path.has_trailing_slash() {
            text.push('/');
        }
        Ok(Cow::Owned(text))
    }
}

/// One segment is one name: it must not read as several, or as none. Only `raw` lets such through.
fn check_single(text: &str) -> Result<(), PathFault> {
    match text {
        "." | ".." => Err(PathFault::DotSegment),
        _ if text.contains(['/', '\\']) => Err(PathFault::EncodedSlash),
        _ => Ok(()),
    }
}

fn captures(matcher: &Matcher) -> Vec<Capture> {
    let Matcher::Http(matcher) = matcher else {
        return Vec::new();
    };
    let extent = |piece: &Piece| match piece {
        Piece::Literal(_) => None,
        Piece::Variable(_) => Some(Extent::One),
        Piece::Rest(_) if matcher.trailing_slash => Some(Extent::RestBeforeSlash),
        Piece::Rest(_) => Some(Extent::Rest),
    };
    let numbered = matcher.pieces.iter().enumerate();
    numbered
        .filter_map(|(segment, piece)| extent(piece).map(|extent| Capture { segment, extent }))
        .collect()
}

fn check_action(route: &Route, definition: &Definition<'_>, faults: &mut Vec<Diagnostic>) {
    let prefix = &definition.facts.prefix;
    if route.action.prefix() != &**prefix {
        faults.push(
            Diagnostic::error(
                rule::ACTION,
                route.place.clone(),
                format!("the action `{}` is not of this service", route.action),
            )
            .hint(format!("actions of the service begin with `{prefix}:`")),
        );
    }
}

/// The resource that `text` names, or `None` when it is at fault, which is told.
fn resource(
    text: &str,
    route: &Route,
    captures: &[&str],
    definition: &Definition<'_>,
    faults: &mut Vec<Diagnostic>,
) -> Option<BoundResource> {
    let fault = match definition.resource(text, captures) {
        Ok(resource) => return Some(resource),
        Err(fault) => fault,
    };
    let place = route.place.clone();
    faults.push(match &fault {
        ResourceTypeFault::Told => return None,
        ResourceTypeFault::Template(template) => {
            Diagnostic::error(template.rule(), place, fault.to_string()).hint(template.hint())
        }
        ResourceTypeFault::Unknown(_) => {
            let known = definition.type_names();
            let finding = Diagnostic::error(rule::RESOURCE_TYPE, place, fault.to_string());
            if known.is_empty() {
                finding.hint("the service has no resource types")
            } else {
                finding.hint(format!("its resource types are `{known}`"))
            }
        }
    });
    None
}

fn attributes(
    route: &Route,
    definition: &Definition<'_>,
    scope: Scope<'_>,
    faults: &mut Vec<Diagnostic>,
) -> Vec<Attribute> {
    let mut attributes: Vec<Attribute> = Vec::new();
    for (key, source) in &route.context {
        let place = route.place.clone();
        match Attribute::compile(key, source, definition.service, scope) {
            Ok(attribute) if attributes.iter().any(|set| set.key() == attribute.key()) => {
                faults.push(
                    Diagnostic::error(
                        rule::KEY_TWICE,
                        place,
                        format!("the context key `{key}` is set twice"),
                    )
                    .hint("the names of context keys are the same in any letter case"),
                );
            }
            Ok(attribute) => attributes.push(attribute),
            Err(fault) => faults
                .push(Diagnostic::error(fault.rule(), place, fault.to_string()).hint(fault.hint())),
        }
    }
    attributes
}
