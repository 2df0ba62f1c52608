//! Protocols whose calls name their operation: the query and JSON protocols of AWS, and gRPC.

use super::body::{BodyFault, BodyPath, Document, plain};
use super::definition::{BoundResource, Definition, MappedService, ResourceTypeFault};
use super::error::MappingError;
use super::meaning::{Mapped, Target};
use super::query::Query;
use super::rule;
use super::source::{Attribute, Offer, Scope};
use crate::model::{Action, Arn, HttpCall, ResourceName};
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
    /// What all others mean. Where a service has types of resources and does not say of which an
    /// operation is, the operation is not mapped: it would be judged as one without resource, and
    /// the Deny of a resource would be passed by.
    others: Option<Operation>,
}

#[derive(Debug, Default)]
struct Operation {
    action: Option<Action>,
    resource: Resource,
    attributes: Vec<Attribute>,
}

/// What an operation is about.
#[derive(Debug, Default)]
enum Resource {
    #[default]
    None,
    /// A template, and for each of its variables where the values stand.
    Template(Box<BoundResource>, Vec<Vec<BodyPath>>),
    /// The ARNs that stand there.
    Arns(BodyPath),
}

impl Operation {
    fn reads_body(&self) -> bool {
        let of_resource = match &self.resource {
            Resource::None => false,
            Resource::Template(_, values) => !values.is_empty(),
            Resource::Arns(_) => true,
        };
        of_resource || self.attributes.iter().any(Attribute::reads_body)
    }
}

impl Operations {
    /// Compiles the operations of a service, and tells every fault.
    pub(super) fn compile(definition: &Definition<'_>, faults: &mut Vec<Diagnostic>) -> Self {
        let service = definition.service;
        let mut named = HashMap::new();
        let mut others = None;
        for written in &service.operations {
            let operation = operation(written, definition, faults);
            if written.name == "*" {
                others = Some(operation);
            } else {
                named.insert(written.name.as_str().into(), operation);
            }
        }
        if others.is_none() && service.resources.is_empty() {
            others = Some(Operation::default());
        }
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
        let document = match self.operation(name)? {
            operation if operation.reads_body() => {
                let bytes = plain(call).map_err(MappingError::BadBody)?;
                Some(Document::json(bytes).map_err(MappingError::BadBody)?)
            }
            _ => None,
        };
        self.named(call, name, document.as_ref(), Vec::new())
    }

    fn query(&self, call: &HttpCall, version: &str) -> Result<Mapped<'_>, MappingError> {
        let (path, query) = call.target.split_once('?').unwrap_or((&call.target, ""));
        let bad = |fault| MappingError::BadBody(fault);
        let mut headers = Vec::new();
        let text = match (call.method.as_str(), path) {
            ("GET", "/") => query,
            // Two places to look for an action are one too many.
            ("POST", "/") if query.is_empty() => {
                let kind = call.headers.single("content-type").ok().flatten();
                let is_form = kind.is_some_and(|kind| {
                    let (kind, _) = kind.split_once(';').unwrap_or((kind, ""));
                    let form = "application/x-www-form-urlencoded";
                    kind.trim().eq_ignore_ascii_case(form)
                });
                if !is_form {
                    return Err(bad(BodyFault::Form));
                }
                headers.push("content-type");
                let bytes = plain(call).map_err(bad)?;
                std::str::from_utf8(bytes).map_err(|_| bad(BodyFault::Form))?
            }
            _ => return Err(MappingError::BadOperation),
        };
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
        let mut mapped = self.named(call, &name, Some(&document), headers)?;
        mapped.reads_body = call.method == "POST";
        Ok(mapped)
    }

    /// The resources whose ARNs stand in the body: those of this service alone.
    fn named_by_arn<'t>(
        &'t self,
        path: &BodyPath,
        action: &Cow<'t, Action>,
        document: Option<&Document<'_>>,
    ) -> Result<SmallVec<[Target<'t>; 1]>, MappingError> {
        let bad = MappingError::BadBody;
        let document = document.ok_or(bad(BodyFault::Missing))?;
        let values = path.values(document).map_err(bad)?;
        if values.is_empty() {
            return Err(bad(BodyFault::Missing));
        }
        let target = |text: &Cow<'_, str>| {
            let arn = Arn::parse(text).ok().filter(|arn| {
                arn.partition() == &*self.service.partition
                    && arn.service() == &*self.service.prefix
                    && !text.chars().any(char::is_control)
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
        let operation = self.named.get(name).or(self.others.as_ref());
        operation.ok_or(MappingError::Unmapped)
    }

    fn named<'t>(
        &'t self,
        call: &HttpCall,
        name: &str,
        document: Option<&Document<'_>>,
        headers: Vec<&'t str>,
    ) -> Result<Mapped<'t>, MappingError> {
        let operation = self.operation(name)?;
        let action = match &operation.action {
            Some(action) => Cow::Borrowed(action),
            None => Action::parse(&format!("{}:{name}", self.service.prefix))
                .map(Cow::Owned)
                .map_err(|_| MappingError::BadOperation)?,
        };
        let targets = match &operation.resource {
            Resource::None => smallvec![Target::of_service(&self.service, action)],
            Resource::Arns(path) => self.named_by_arn(path, &action, document)?,
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
            unknown: Vec::new(),
            headers: read,
            reads_body: document.is_some(),
        })
    }
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
            values.extend(path.values(document)?);
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
    let mut paths: Vec<(&str, Vec<BodyPath>)> = Vec::new();
    for (variable, sources) in &written.values {
        if matches!(protocol, ServiceProtocol::Grpc(_)) {
            let message = format!("nothing fills `${{{variable}}}`: messages of gRPC are not read");
            tell(
                message,
                "name the resources by a pattern, such as `arn:…:order/*`",
            );
        }
        let mut read = Vec::new();
        for source in sources {
            let path = source
                .strip_prefix("body:")
                .and_then(|path| BodyPath::parse(path, is_form));
            match path {
                Some(path) => read.push(path),
                None => tell(
                    format!("`{source}` is no place in a body"),
                    "such as `body:TableName`, `body:Items[].TableName` or `body:RequestItems{}`",
                ),
            }
        }
        paths.push((variable, read));
    }
    let names: Vec<&str> = paths.iter().map(|(name, _)| *name).collect();
    let place = written
        .resource
        .as_deref()
        .and_then(|text| text.strip_prefix("body:"));
    if (written.resource.is_none() || place.is_some())
        && let Some(name) = names.first()
    {
        let message = format!("`{name}` fills no variable: the resource is no template");
        tell(message, "name a type of resource in `resource`");
    }
    let has_body = !matches!(protocol, ServiceProtocol::Grpc(_));
    let resource = match (written.resource.as_deref(), place) {
        (None, _) => Resource::None,
        (Some(text), Some(place)) => match BodyPath::parse(place, is_form) {
            Some(path) if has_body => Resource::Arns(path),
            _ => {
                let message = format!("`{text}` is no place in a body");
                tell(message, "such as `body:TopicArn`");
                Resource::None
            }
        },
        (Some(text), None) => match definition.resource(text, &names) {
            Ok(resource) => {
                let values = paths.into_iter().map(|(_, paths)| paths).collect();
                Resource::Template(Box::new(resource), values)
            }
            Err(ResourceTypeFault::Told) => Resource::None,
            Err(fault) => {
                let hint = "compare it with `resources` of the service";
                tell(fault.to_string(), hint);
                Resource::None
            }
        },
    };
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
    }
}
