//! A service as the table keeps it, and its resource types ready for its routes.

use super::host::Host;
use super::rule;
use super::template::{ArnTemplate, BoundTemplate, TemplateFault, is_component};
use crate::model::{AccountId, Arn};
use crate::policy::{Diagnostic, Place, PolicyOwner, Service, ServiceProtocol, Signing};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is known of the service that a call is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedService {
    /// The name of its document.
    pub name: Box<str>,
    /// The prefix of its actions, in lower case.
    pub prefix: Box<str>,
    /// The account that owns its resources, where it has one.
    pub account: Option<AccountId>,
    /// The partition of its ARNs.
    pub partition: Box<str>,
    /// The region of its ARNs and of `aws:RequestedRegion`, where it has one.
    pub region: Option<Box<str>>,
    /// How its calls are written.
    pub protocol: ServiceProtocol,
    /// How their signatures are verified.
    pub signing: Signing,
    /// Whether denials carry their reason, sealed (DAM-01).
    pub encoded_denials: bool,
}

/// A service's definition while its routes are compiled.
#[derive(Debug)]
pub(super) struct Definition<'s> {
    pub(super) service: &'s Service,
    pub(super) facts: Arc<MappedService>,
    /// `None` is any host.
    pub(super) hosts: Option<BTreeSet<Box<str>>>,
    /// Types whose template is at fault are left out, and told already.
    pub(super) types: BTreeMap<&'s str, ArnTemplate>,
}

/// A resource that a route names, bound to the route's captures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BoundResource {
    pub(super) kind: Kind,
    pub(super) template: BoundTemplate,
}

/// What a route says of its resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// They are of this type of the service.
    Type(Box<str>),
    /// They are of whatever type this one is, which the template of the route gives.
    Example(Arn),
}

/// Why a route cannot name its resource.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ResourceTypeFault {
    #[error("`{0}` is neither a resource type of the service nor an ARN template")]
    Unknown(String),
    #[error(transparent)]
    Template(#[from] TemplateFault),
    /// Told already where the type is defined.
    #[error("the resource type is at fault")]
    Told,
}

impl<'s> Definition<'s> {
    /// Checks what holds for the whole service, and tells every fault of it.
    pub(super) fn read(service: &'s Service, faults: &mut Vec<Diagnostic>) -> Self {
        check_facts(service, faults);
        Self {
            service,
            facts: Arc::new(MappedService {
                name: service.name.as_str().into(),
                prefix: service.prefix.to_ascii_lowercase().into(),
                account: service.account,
                partition: service.partition.as_str().into(),
                region: service.region.as_deref().map(Box::from),
                protocol: service.protocol.clone(),
                signing: service.signing.clone(),
                encoded_denials: service.encoded_denials,
            }),
            hosts: read_hosts(&service.hosts, &service.place, may_be_wild(service), faults),
            types: read_types(service, faults),
        }
    }

    /// The resource that `text` names, an ARN template or a type, for a route with these captures.
    pub(super) fn resource(
        &self,
        text: &str,
        captures: &[&str],
    ) -> Result<BoundResource, ResourceTypeFault> {
        if !self.service.resources.contains_key(text) {
            if !text.starts_with("arn:") {
                return Err(ResourceTypeFault::Unknown(text.to_owned()));
            }
            let template = ArnTemplate::parse(text, self.service)?;
            return Ok(BoundResource {
                kind: Kind::Example(template.example().ok_or(TemplateFault::TooLong)?),
                template: template.bind(captures)?,
            });
        }
        let template = self.types.get(text).ok_or(ResourceTypeFault::Told)?;
        Ok(BoundResource {
            kind: Kind::Type(text.into()),
            template: template.bind(captures)?,
        })
    }

    /// The resource types, for a hint.
    pub(super) fn type_names(&self) -> String {
        let names: Vec<&str> = self.service.resources.keys().map(String::as_str).collect();
        names.join("`, `")
    }
}

/// Reads a list of hosts; `None` when it is empty, which is any host.
pub(super) fn read_hosts(
    written: &[String],
    place: &Place,
    may_be_wild: bool,
    faults: &mut Vec<Diagnostic>,
) -> Option<BTreeSet<Box<str>>> {
    let mut hosts = BTreeSet::new();
    for text in written {
        let bare = text.strip_prefix("*.").filter(|_| may_be_wild);
        match Host::read(bare.unwrap_or(text)) {
            Ok(host) if host.as_str() == bare.unwrap_or(text) => {
                hosts.insert(text.as_str().into());
            }
            Ok(host) => faults.push(
                Diagnostic::error(
                    rule::HOST,
                    place.clone(),
                    format!("the host `{text}` is not in canonical form"),
                )
                .hint(format!("write `{host}`: calls match on any port")),
            ),
            Err(fault) => faults.push(
                Diagnostic::error(
                    rule::HOST,
                    place.clone(),
                    format!("`{text}` is not a host: {fault}"),
                )
                .hint("a host name or address in lower case, without port or wildcard"),
            ),
        }
    }
    (!written.is_empty()).then_some(hosts)
}

/// Whether the first label of a host may be any bucket: the virtual-hosted form of S3.
fn may_be_wild(service: &Service) -> bool {
    service.protocol == ServiceProtocol::S3
}

fn check_facts(service: &Service, faults: &mut Vec<Diagnostic>) {
    let mut tell = |what: &str, text: &str| {
        faults.push(
            Diagnostic::error(
                rule::SERVICE,
                service.place.clone(),
                format!("`{text}` cannot be the {what} of an ARN"),
            )
            .hint("lower-case letters, digits and `-`"),
        );
    };
    if service.partition.is_empty() || !is_component(&service.partition) {
        tell("partition", &service.partition);
    }
    if let Some(region) = &service.region
        && !is_component(region)
    {
        tell("region", region);
    }
}

fn read_types<'s>(
    service: &'s Service,
    faults: &mut Vec<Diagnostic>,
) -> BTreeMap<&'s str, ArnTemplate> {
    let mut types = BTreeMap::new();
    for (name, definition) in &service.resources {
        match ArnTemplate::parse(&definition.arn, service) {
            Ok(template) => {
                types.insert(name.as_str(), template);
            }
            Err(fault) => faults.push(
                Diagnostic::error(
                    fault.rule(),
                    service.place.clone(),
                    format!("resource type `{name}`: {fault}"),
                )
                .hint(fault.hint()),
            ),
        }
        if let Some(message) = check_parent(service, &definition.policy) {
            faults.push(Diagnostic::error(
                rule::RESOURCE_TYPE,
                service.place.clone(),
                format!("resource type `{name}`: {message}"),
            ));
        }
    }
    check_parents(service, &types, faults);
    types
}

/// The ARN of a resource has to tell the ARN of the one that contains it.
fn check_parents(
    service: &Service,
    types: &BTreeMap<&str, ArnTemplate>,
    faults: &mut Vec<Diagnostic>,
) {
    for (name, definition) in &service.resources {
        let PolicyOwner::Parent(parent) = &definition.policy else {
            continue;
        };
        let (Some(own), Some(parent)) = (types.get(name.as_str()), types.get(parent.as_str()))
        else {
            continue;
        };
        let own: Vec<&str> = own.variables().collect();
        for missing in parent
            .variables()
            .filter(|variable| !own.contains(variable))
        {
            let message =
                format!("resource type `{name}`: nothing fills `${{{missing}}}` of its parent");
            faults.push(Diagnostic::error(
                rule::UNFILLED,
                service.place.clone(),
                message,
            ));
        }
    }
}

/// What is wrong with the parent that a resource type names, if anything is.
fn check_parent(service: &Service, policy: &PolicyOwner) -> Option<String> {
    let PolicyOwner::Parent(parent) = policy else {
        return None;
    };
    match service.resources.get(parent).map(|kind| &kind.policy) {
        Some(PolicyOwner::Own) => None,
        Some(PolicyOwner::None | PolicyOwner::Parent(_)) => Some(format!(
            "its parent `{parent}` has no resource policies of its own"
        )),
        None => Some(format!(
            "its parent `{parent}` is not a resource type of the service"
        )),
    }
}
