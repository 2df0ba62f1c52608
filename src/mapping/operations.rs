//! Protocols whose calls name their operation: the query and JSON protocols of AWS, and gRPC.

use super::body::{BodyFault, BodyPath, Document, plain};
use super::definition::{BoundResource, Definition, MappedService, ResourceTypeFault};
use super::error::MappingError;
use super::meaning::{Mapped, Target};
use super::query::Query;
use super::rule;
use super::source::{Attribute, Offer, Scope};
use crate::model::{Action, Arn, Body, HttpCall, ResourceName};
use crate::policy::{self, Diagnostic, PathMode, ServiceProtocol};
use smallvec::{SmallVec, smallvec};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// The most resources of one call.
const MAX_TARGETS: usize = 1_000;

/// The operations of one service.
#[derive(Debug)]
pub(super) struct Operations {
    service: Arc<MappedService>,
    named: HashMap<Box<str>, Operation>,
    /// What all others mean, where a service has no types of resources. Where it has some, what is
    /// not named is not mapped: it would be judged as an operation without resource, or by a member
    /// of its body that it does not read, and the Deny of a resource would be passed by.
    others: Option<Operation>,
}

#[derive(Debug, Default)]
struct Operation {
    action: Option<Action>,
    resource: Resource,
    attributes: Vec<Attribute>,
    /// What must not stand in the body: other ways to name what the operation is about.
    without: Vec<BodyPath>,
}

/// What an operation is about.
#[derive(Debug, Default)]
enum Resource {
    #[default]
    None,
    /// A template, and for each of its variables where the values stand.
    Template(Box<BoundResource>, Vec<Vec<BodyPath>>),
    /// The ARNs that stand there.
    Arns(Vec<BodyPath>),
}

impl Operations {
    /// Compiles the operations of a service, and tells every fault.
    pub(super) fn compile(definition: &Definition<'_>, faults: &mut Vec<Diagnostic>) -> Self {
        let service = definition.service;
        let mut named: HashMap<Box<str>, Operation> = HashMap::new();
        for written in &service.operations {
            let operation = operation(written, definition, faults);
            named.insert(written.name.as_str().into(), operation);
        }
        let others = service.resources.is_empty().then(Operation::default);
        Self {
            service: Arc::clone(&definition.facts),
            named,
            others,
        }
    }

    pub(super) fn service(&self) -> &MappedService {
        &self.service
    }

    /// What a call of a protocol of AWS means.
    pub(super) fn resolve(&self, call: &HttpCall) -> Result<Mapped<'_>, MappingError> {
        match &self.service.protocol {
            // Another protocol of AWS, by which a server could read the same bytes.
            _ if call.headers.has("smithy-protocol") => Err(MappingError::BadOperation),
            ServiceProtocol::AwsJson(target) => self.json(call, target),
            ServiceProtocol::AwsQuery(version) => self.query(call, version),
            ServiceProtocol::Routes | ServiceProtocol::S3 | ServiceProtocol::Grpc(_) => {
                Err(MappingError::Unmapped)
            }
        }
    }

    /// What a method of the gRPC service means.
    pub(super) fn method(&self, call: &HttpCall, name: &str) -> Result<Mapped<'_>, MappingError> {
        self.named(call, name, None, Vec::new())
    }

    fn json(&self, call: &HttpCall, target: &str) -> Result<Mapped<'_>, MappingError> {
        if call.method != "POST" || call.target != "/" {
            return Err(MappingError::BadOperation);
        }
        let header = call.headers.single("x-amz-target");
        let header = header.map_err(|fault| MappingError::BadHeader {
            name: "x-amz-target".into(),
            fault,
        })?;
        // Another target is another service's, which may live behind the same host.
        let name = header
            .and_then(|text| text.strip_prefix(target)?.strip_prefix('.'))
            .ok_or(MappingError::Unmapped)?;
        self.operation(name)?;
        check_type(
            call,
            &["application/x-amz-json-1.0", "application/x-amz-json-1.1"],
        )?;
        // Whatever else it were, a server could take it for a form, or for nothing.
        let bytes = plain(call).map_err(MappingError::BadBody)?;
        let document = Document::json(bytes).map_err(MappingError::BadBody)?;
        self.named(call, name, Some(&document), vec!["x-amz-target"])
    }

    fn query(&self, call: &HttpCall, version: &str) -> Result<Mapped<'_>, MappingError> {
        let (path, query) = call.target.split_once('?').unwrap_or((&call.target, ""));
        let bad = |fault| MappingError::BadBody(fault);
        let text = match (call.method.as_str(), path) {
            // A form beside the query would be a second place.
            ("GET", "/") if call.body == Body::none() && !call.headers.has("content-type") => query,
            // Two places to look for an action are one too many.
            ("POST", "/") if query.is_empty() => {
                check_type(call, &["application/x-www-form-urlencoded"])?;
                let bytes = plain(call).map_err(bad)?;
                std::str::from_utf8(bytes).map_err(|_| bad(BodyFault::Form))?
            }
            _ => return Err(MappingError::BadOperation),
        };
        if call.headers.has("x-amz-target") {
            return Err(MappingError::BadOperation);
        }
        let document = Document::form(text).map_err(bad)?;
        let Document::Form(form) = &document else {
            return Err(MappingError::BadOperation);
        };
        let single = |name| match form.values(name, PathMode::Raw).as_deref() {
            Ok([value]) => Ok(value.clone()),
            Ok([]) => Err(MappingError::BadOperation),
            Ok(_) | Err(_) => Err(bad(BodyFault::Ambiguous)),
        };
        let (name, stated) = (single("Action")?, single("Version")?);
        if *stated != *version {
            return Err(MappingError::Unmapped);
        }
        let mut mapped = self.named(call, &name, Some(&document), Vec::new())?;
        mapped.reads_body = call.method == "POST";
        Ok(mapped)
    }

    /// The resources whose ARNs stand in the body: plain names of this service, in its region and
    /// account. To a server that looks at the last part alone others would be the same.
    fn named_by_arn<'t>(
        &'t self,
        paths: &[BodyPath],
        action: &Cow<'t, Action>,
        document: Option<&Document<'_>>,
    ) -> Result<SmallVec<[Target<'t>; 1]>, MappingError> {
        let bad = MappingError::BadBody;
        let document = document.ok_or(bad(BodyFault::Missing))?;
        let mut values = Vec::new();
        for path in paths {
            values.extend(path.names(document).map_err(bad)?);
        }
        if values.is_empty() {
            return Err(bad(BodyFault::Missing));
        }
        if values.len() > MAX_TARGETS {
            return Err(bad(BodyFault::TooLong));
        }
        let target = |text: &Cow<'_, str>| {
            let arn = Arn::parse(text).ok().filter(|arn| {
                arn.partition() == &*self.service.partition
                    && arn.service() == &*self.service.prefix
                    && arn.region() == self.service.region.as_deref().unwrap_or_default()
                    && arn.account() == self.service.account
                    && is_name(arn.resource())
            });
            Some(Target {
                resource: ResourceName::Arn(arn?),
                ..Target::of_service(&self.service, action.clone())
            })
        };
        let targets: Option<SmallVec<_>> = values.iter().map(target).collect();
        targets.ok_or(bad(BodyFault::Name))
    }

    fn operation(&self, name: &str) -> Result<&Operation, MappingError> {
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_name {
            return Err(MappingError::BadOperation);
        }
        if let Some(operation) = self.named.get(name) {
            return Ok(operation);
        }
        // A server that ignores letter case would take it for the other one.
        if self
            .named
            .keys()
            .any(|known| known.eq_ignore_ascii_case(name))
        {
            return Err(MappingError::BadOperation);
        }
        let unlisted = || MappingError::Unlisted {
            operation: name.chars().take(64).collect(),
            service: self.service.name.clone(),
        };
        self.others.as_ref().ok_or_else(unlisted)
    }

    fn named<'t>(
        &'t self,
        call: &HttpCall,
        name: &str,
        document: Option<&Document<'_>>,
        headers: Vec<&'t str>,
    ) -> Result<Mapped<'t>, MappingError> {
        let operation = self.operation(name)?;
        for path in &operation.without {
            let document = document.ok_or(MappingError::BadBody(BodyFault::Missing))?;
            let found = path.values(document).map_err(MappingError::BadBody)?;
            if !found.is_empty() {
                return Err(MappingError::BadBody(BodyFault::Unwanted));
            }
        }
        let action = match &operation.action {
            Some(action) => Cow::Borrowed(action),
            None => Action::parse(&format!("{}:{name}", self.service.prefix))
                .map(Cow::Owned)
                .map_err(|_| MappingError::BadOperation)?,
        };
        let targets = match &operation.resource {
            Resource::None => smallvec![Target::of_service(&self.service, action)],
            Resource::Arns(paths) => self.named_by_arn(paths, &action, document)?,
            Resource::Template(resource, values) => {
                let rows = rows(values, document).map_err(MappingError::BadBody)?;
                let targets = rows
                    .iter()
                    .map(|row| resource.target(&self.service, action.clone(), row));
                targets.collect::<Result<_, _>>()?
            }
        };
        let offer = Offer {
            call,
            query: &Query::default(),
            captures: &[],
            mode: PathMode::Strict,
            document,
        };
        let mut context = Vec::with_capacity(operation.attributes.len());
        let mut read = headers;
        for attribute in &operation.attributes {
            let values = attribute.values(offer)?;
            if !values.is_empty() {
                context.push((Cow::Borrowed(attribute.key().as_str()), values));
            }
            read.extend(attribute.header());
        }
        Ok(Mapped {
            service: &self.service,
            route: &self.service.name,
            targets,
            context,
            unknown: unread(&self.service),
            headers: read,
            reads_body: document.is_some(),
        })
    }
}

/// The condition keys that operations of a protocol have and nobody here computes: those of the
/// service itself, and tags of the request. What the bundle sets is known; the rest is not absent.
fn unread(service: &MappedService) -> Vec<Cow<'static, str>> {
    vec![
        format!("{}:", service.prefix).into(),
        "aws:RequestTag/".into(),
        "aws:TagKeys".into(),
    ]
}

/// The values of all variables, once for each resource. One variable may have several values.
fn rows<'d>(
    variables: &[Vec<BodyPath>],
    document: Option<&'d Document<'_>>,
) -> Result<Vec<Vec<Cow<'d, str>>>, BodyFault> {
    let mut rows: Vec<Vec<Cow<'d, str>>> = vec![Vec::new()];
    for paths in variables {
        let document = document.ok_or(BodyFault::Missing)?;
        let mut values = Vec::new();
        for path in paths {
            values.extend(path.names(document)?);
        }
        values.sort_unstable();
        values.dedup();
        if !values.iter().all(|value| is_name(value)) {
            return Err(BodyFault::Name);
        }
        if values.is_empty() {
            return Err(BodyFault::Missing);
        }
        if rows.len() > 1 && values.len() > 1 {
            // Which goes with which is not told.
            return Err(BodyFault::Ambiguous);
        }
        if values.len() > MAX_TARGETS {
            return Err(BodyFault::TooLong);
        }
        let with = |row: &Vec<Cow<'d, str>>, value: &Cow<'d, str>| {
            let mut row = row.clone();
            row.push(value.clone());
            row
        };
        rows = rows
            .iter()
            .flat_map(|row| values.iter().map(move |value| with(row, value)))
            .collect();
    }
    Ok(rows)
}

/// Whether a value of a body is a plain name: an ARN or an address would name another resource to
/// the upstream than it does here.
fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (1..=255).contains(&text.len()) && text.bytes().all(fits)
}

fn operation(
    written: &policy::Operation,
    definition: &Definition<'_>,
    faults: &mut Vec<Diagnostic>,
) -> Operation {
    let mut tell = |message: String, hint: &str| {
        let place = written.place.clone();
        faults.push(Diagnostic::error(rule::OPERATION, place, message).hint(hint));
    };
    let protocol = &definition.service.protocol;
    let is_form = matches!(protocol, ServiceProtocol::AwsQuery(_));
    // Messages of gRPC are not read.
    let has_body = !matches!(protocol, ServiceProtocol::Grpc(_));
    let read_path = |text: &str| {
        let path = text.strip_prefix("body:").filter(|_| has_body);
        path.and_then(|path| BodyPath::parse(path, is_form))
    };
    let paths_of = |texts: &[String], tell: &mut dyn FnMut(String, &str)| {
        let mut paths = Vec::new();
        for text in texts {
            match read_path(text) {
                Some(path) => paths.push(path),
                None => tell(
                    format!("`{text}` is no place in a body that is read"),
                    "such as `body:TableName`, `body:Items[].TableName` or `body:RequestItems{}`",
                ),
            }
        }
        paths
    };
    let mut paths: Vec<(&str, Vec<BodyPath>)> = Vec::new();
    for (variable, sources) in &written.values {
        paths.push((variable, paths_of(sources, &mut tell)));
    }
    let names: Vec<&str> = paths.iter().map(|(name, _)| *name).collect();
    let without = paths_of(&written.without, &mut tell);
    let is_of_body = |text: &String| text.starts_with("body:");
    let resource = match written.resource.as_slice() {
        [] => Resource::None,
        several if several.iter().all(is_of_body) => Resource::Arns(paths_of(several, &mut tell)),
        [text] => match definition.resource(text, &names) {
            Ok(resource) => {
                let values = paths.iter().map(|(_, paths)| paths.clone()).collect();
                Resource::Template(Box::new(resource), values)
            }
            Err(ResourceTypeFault::Told) => Resource::None,
            Err(fault) => {
                let hint = "compare it with `resources` of the service";
                tell(fault.to_string(), hint);
                Resource::None
            }
        },
        _ => {
            let message = "several resources are several places in the body".to_owned();
            tell(message, "such as `[body:TopicArn, body:TargetArn]`");
            Resource::None
        }
    };
    if !matches!(resource, Resource::Template(..))
        && let Some(name) = names.first()
    {
        let message = format!("`{name}` fills no variable: the resource is no template");
        tell(message, "name a type of resource in `resource`");
    }
    let mut attributes = Vec::new();
    for (key, source) in &written.context {
        let scope = if matches!(protocol, ServiceProtocol::Grpc(_)) {
            Scope::Grpc
        } else {
            Scope::Body { is_form }
        };
        match Attribute::compile(key, source, definition.service, scope) {
            Ok(attribute) => attributes.push(attribute),
            Err(fault) => {
                let place = written.place.clone();
                let finding = Diagnostic::error(fault.rule(), place, fault.to_string());
                faults.push(finding.hint(fault.hint()));
            }
        }
    }
    Operation {
        action: written.action.clone(),
        resource,
        attributes,
        without,
    }
}

/// The content type of a call, which may name UTF-8 and nothing else: with another one a server
/// would read another body. What it has to be is certain, so it need not be signed.
fn check_type(call: &HttpCall, known: &[&str]) -> Result<(), MappingError> {
    let header = call.headers.single("content-type").ok().flatten();
    let folded = header.unwrap_or_default().to_ascii_lowercase();
    let (kind, parameter) = folded.split_once(';').unwrap_or((&folded, ""));
    let parameter = parameter.trim();
    if known.contains(&kind.trim()) && ["", "charset=utf-8"].contains(&parameter) {
        Ok(())
    } else {
        Err(MappingError::BadBody(BodyFault::Type))
    }
}

#[cfg(test)]
mod tests;
