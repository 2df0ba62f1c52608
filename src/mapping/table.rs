//! The table of routes of all services.

mod compile;

use super::catalogue::{Catalogue, Described, Governed, NoSuchType};
use super::definition::MappedService;
use super::error::MappingError;
use super::host::{Host, HostFault};
use super::matcher::{is_grpc_service, is_identifier, is_method};
use super::meaning::{Mapped, Meaning};
use super::operations::Operations;
use super::path::{Path, PathFault};
use super::query::Query;
use super::s3::S3;
use super::trie::{self, Trie, find};
use crate::model::{Action, Arn, HttpCall, Protocol};
use crate::policy::{Diagnostic, PathMode, Service};
use std::collections::HashMap;
use std::sync::Arc;

/// What calls mean, for every service of a bundle.
///
/// The host decides first: routes that are bound to the host of a call go before routes for any
/// host. Among the rest the narrowest route that matches decides; see [`mapping`](super).
#[derive(Debug, Default)]
pub struct Table {
    hosts: HashMap<Box<str>, Site>,
    anywhere: Site,
    /// Services whose protocol says what their calls mean. A host of one is of no other service.
    protocols: HashMap<Box<str>, Handler>,
    /// Object stores by the hosts below which each label is a bucket, with the dot before them.
    buckets: Vec<(Box<str>, Arc<S3>)>,
    catalogue: Catalogue,
}

/// The routes of one host, or those for any host.
#[derive(Debug)]
struct Site {
    /// The strictest mode of all services that could answer here.
    mode: PathMode,
    http: Trie,
    grpc: HashMap<Box<str>, GrpcService>,
}

/// Who says what the calls on one host mean.
#[derive(Clone, Debug)]
enum Handler {
    S3(Arc<S3>),
    Operations(Arc<Operations>),
}

/// The routes of one gRPC service.
#[derive(Debug, Default)]
struct GrpcService {
    methods: HashMap<Box<str>, Arc<Meaning>>,
    any: Option<Arc<Meaning>>,
    /// Where every method is an action.
    operations: Option<Arc<Operations>>,
}

/// What a call was found to be for.
enum Found<'t, 'c> {
    /// An object store, and the bucket that the host names.
    S3(&'t S3, Option<String>),
    /// A service whose protocol names operations.
    Operations(&'t Operations),
    /// A method of a gRPC service whose methods are actions.
    Method(&'t Operations, String),
    /// A route.
    Route(&'t Meaning, Path<'c>, Option<Query<'c>>),
}

impl Default for Site {
    fn default() -> Self {
        Self {
            mode: PathMode::Strict,
            http: Trie::default(),
            grpc: HashMap::new(),
        }
    }
}

impl Table {
    /// Compiles the routes of all services; what does not compile whole does not compile.
    ///
    /// # Errors
    ///
    /// Every fault, each with its place; [`mapping`](super) lists the rules.
    pub fn compile(services: &[Service]) -> Result<Self, Vec<Diagnostic>> {
        compile::compile(services)
    }

    /// What services say of a resource; `None` when it is of no type that they have.
    ///
    /// # Errors
    ///
    /// [`NoSuchType`] when nobody can say whose policy speaks for it.
    pub fn describe(&self, arn: &Arn) -> Result<Option<Described<'_>>, NoSuchType> {
        self.catalogue.describe(arn)
    }

    /// As [`describe`](Self::describe), for a resource that a route names.
    ///
    /// # Errors
    ///
    /// [`NoSuchType`] also when its name makes it a resource of another kind than the route says.
    pub fn describe_mapped(
        &self,
        arn: &Arn,
        governed: Governed<'_>,
    ) -> Result<Option<Described<'_>>, NoSuchType> {
        self.catalogue.describe_mapped(arn, governed)
    }

    /// Whether every authenticated caller may do the action (EV-6).
    #[must_use]
    pub fn needs_no_permission(&self, action: &Action) -> bool {
        self.catalogue.needs_no_permission(action)
    }

    /// What a call means.
    ///
    /// # Errors
    ///
    /// The [`MappingError`] for which the call is denied.
    pub fn resolve(&self, call: &HttpCall) -> Result<Mapped<'_>, MappingError> {
        match self.find(call)? {
            Found::S3(store, bucket) => {
                check_twins(call)?;
                store.resolve(call, bucket.as_deref())
            }
            Found::Operations(operations) => {
                check_twins(call)?;
                operations.resolve(call)
            }
            Found::Method(operations, name) => operations.method(call, &name),
            Found::Route(meaning, path, query) => {
                let query = match query {
                    Some(query) => query,
                    None if meaning.reads_query() => {
                        let written = path.query().unwrap_or_default();
                        Query::read(written).map_err(MappingError::BadQuery)?
                    }
                    None => Query::default(),
                };
                meaning.of(call, &path, &query)
            }
        }
    }

    /// The service that a call is for, so far as the call can be read at all. Neither headers nor
    /// body are looked at, for nobody vouches for them yet.
    #[must_use]
    pub fn service(&self, call: &HttpCall) -> Option<&MappedService> {
        Some(match self.find(call).ok()? {
            Found::S3(store, _) => store.service(),
            Found::Operations(operations) | Found::Method(operations, _) => operations.service(),
            Found::Route(meaning, ..) => meaning.service(),
        })
    }

    /// The service that has a protocol of its own on the host of a call.
    #[must_use]
    pub fn protocol_service(&self, call: &HttpCall) -> Option<&MappedService> {
        let host = Host::read(&call.authority).ok()?;
        Some(match self.of_protocol(&host)? {
            Found::S3(store, _) => store.service(),
            Found::Operations(operations) | Found::Method(operations, _) => operations.service(),
            Found::Route(meaning, ..) => meaning.service(),
        })
    }

    fn of_protocol<'t, 'c>(&'t self, host: &Host<'_>) -> Option<Found<'t, 'c>> {
        match self.protocols.get(host.as_str()) {
            Some(Handler::S3(store)) => return Some(Found::S3(store, None)),
            Some(Handler::Operations(operations)) => return Some(Found::Operations(operations)),
            None => {}
        }
        self.buckets.iter().find_map(|(suffix, store)| {
            // Of several labels some stores take the first for the bucket, and some all.
            let bucket = host.as_str().strip_suffix(&**suffix)?;
            let is_label = !bucket.is_empty() && !bucket.contains('.');
            is_label.then(|| Found::S3(store, Some(bucket.to_owned())))
        })
    }

    fn find<'t, 'c>(&'t self, call: &'c HttpCall) -> Result<Found<'t, 'c>, MappingError> {
        // Neither has a path that could mean something (rule 47).
        if call.method == "CONNECT" || call.target == "*" {
            return Err(MappingError::Unmapped);
        }
        // A server that ignores case would take `get` for `GET`.
        if !is_method(&call.method) {
            return Err(MappingError::BadMethod);
        }
        let host = Host::read(&call.authority).map_err(MappingError::BadHost)?;
        if let Some(found) = self.of_protocol(&host) {
            // Some stores would take a bucket's host with a dot behind it for another host.
            let (name, port) = match call.authority.split_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (call.authority.as_str(), None),
            };
            if name.ends_with('.') {
                return Err(MappingError::BadHost(HostFault::EmptyLabel));
            }
            if let Found::S3(_, bucket) = &found {
                // Not every store folds the letters of a host, or reads a port as a number.
                if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
                    return Err(MappingError::BadHost(HostFault::Character));
                }
                if port.is_some_and(|port| port.starts_with('0')) {
                    return Err(MappingError::BadHost(HostFault::Port));
                }
                // Names that some stores have for themselves, and take the path for the bucket then.
                let is_taken = |bucket: &String| OF_STORES.contains(&bucket.as_str());
                if bucket.as_ref().is_some_and(is_taken) {
                    return Err(MappingError::BadHost(HostFault::Reserved));
                }
            }
            check_overrides(call)?;
            return Ok(found);
        }
        let site = self.hosts.get(host.as_str());
        let mode = site.unwrap_or(&self.anywhere).mode;
        let sites = site.into_iter().chain([&self.anywhere]);
        match call.protocol {
            Protocol::Http => find_http(call, sites, mode),
            Protocol::Grpc => find_grpc(call, sites),
        }
    }
}

/// Labels of a host that are no buckets to every store.
const OF_STORES: [&str; 5] = ["localhost", "minio", "s3", "s3-website", "www"];

/// Headers by which servers take a request for another one.
const OVERRIDES: [&str; 6] = [
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-",
    "x-rewrite-",
    "x-forwarded-host",
];

fn check_overrides(call: &HttpCall) -> Result<(), MappingError> {
    let is_override = |name: &str| OVERRIDES.iter().any(|start| name.starts_with(start));
    match call.headers.iter().find(|(name, _)| is_override(name)) {
        Some((name, _)) => Err(MappingError::UnknownHeader { name: name.into() }),
        None => Ok(()),
    }
}

/// Headers that a server which folds underscores would take for those of a protocol (rule 15).
fn check_twins(call: &HttpCall) -> Result<(), MappingError> {
    let is_twin = |name: &str| name.contains('_') && name.replace('_', "-").starts_with("x-amz-");
    match call.headers.iter().find(|(name, _)| is_twin(name)) {
        Some((name, _)) => Err(MappingError::TwinHeader { name: name.into() }),
        None => Ok(()),
    }
}

fn find_http<'t, 'c>(
    call: &'c HttpCall,
    sites: impl Iterator<Item = &'t Site> + Clone,
    mode: PathMode,
) -> Result<Found<'t, 'c>, MappingError> {
    let path = Path::read(&call.target, mode).map_err(MappingError::AmbiguousPath)?;
    // The content type is the client's word. Servers take calls of a gRPC service under other types
    // too, so a path of one is never an ordinary path.
    if let [service, _] = path.segments()
        && sites
            .clone()
            .any(|site| site.grpc.contains_key(service.decoded()))
    {
        return find_grpc(call, sites);
    }
    let strict = match mode {
        PathMode::Strict => {
            let written = path.query().unwrap_or_default();
            Some(Query::read(written).map_err(MappingError::BadQuery)?)
        }
        PathMode::Normalise | PathMode::Raw => None,
    };
    let tries = sites.map(|site| &site.http);
    match find(&tries, &call.method, &path) {
        trie::Found::Nothing => Err(MappingError::Unmapped),
        trie::Found::Doubtful => Err(MappingError::AmbiguousPath(PathFault::NearRoute)),
        trie::Found::Route(meaning) => Ok(Found::Route(meaning, path, strict)),
    }
}

/// A gRPC call means what a gRPC route says, and never what an HTTP route says: the path of one is
/// a service and a method, exactly two plain names, in every path mode (rule 49).
fn find_grpc<'t, 'c>(
    call: &'c HttpCall,
    sites: impl Iterator<Item = &'t Site>,
) -> Result<Found<'t, 'c>, MappingError> {
    if call.method != "POST" {
        return Err(MappingError::BadGrpcCall);
    }
    let path = Path::read(&call.target, PathMode::Strict).map_err(MappingError::AmbiguousPath)?;
    if path.query().is_some() || path.has_trailing_slash() {
        return Err(MappingError::BadGrpcCall);
    }
    let [service, method] = path.segments() else {
        return Err(MappingError::BadGrpcCall);
    };
    let (service, method) = (service.decoded(), method.decoded());
    if !is_grpc_service(service) || !is_identifier(method) {
        return Err(MappingError::BadGrpcCall);
    }
    for of_site in sites.filter_map(|site| site.grpc.get(service)) {
        if let Some(meaning) = of_site.pick(method) {
            return Ok(Found::Route(meaning, path, Some(Query::default())));
        }
        if let Some(operations) = &of_site.operations {
            return Ok(Found::Method(operations, method.to_owned()));
        }
    }
    Err(MappingError::Unmapped)
}

impl GrpcService {
    fn pick(&self, method: &str) -> Option<&Meaning> {
        self.methods
            .get(method)
            .or(self.any.as_ref())
            .map(AsRef::as_ref)
    }
}

#[cfg(test)]
mod tests;
