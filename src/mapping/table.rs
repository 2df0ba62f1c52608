//! The table of routes of all services.

mod compile;

use super::catalogue::{Catalogue, Described, Governed, NoSuchType};
use super::error::MappingError;
use super::host::Host;
use super::matcher::{is_grpc_service, is_identifier, is_method};
use super::meaning::{Mapped, Meaning};
use super::path::{Path, PathFault};
use super::query::Query;
use super::trie::{Found, Trie, find};
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

/// The routes of one gRPC service.
#[derive(Debug, Default)]
struct GrpcService {
    methods: HashMap<Box<str>, Arc<Meaning>>,
    any: Option<Arc<Meaning>>,
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
        // Neither has a path that could mean something (rule 47).
        if call.method == "CONNECT" || call.target == "*" {
            return Err(MappingError::Unmapped);
        }
        // A server that ignores case would take `get` for `GET`.
        if !is_method(&call.method) {
            return Err(MappingError::BadMethod);
        }
        let host = Host::read(&call.authority).map_err(MappingError::BadHost)?;
        let site = self.hosts.get(host.as_str());
        let mode = site.unwrap_or(&self.anywhere).mode;
        let sites = site.into_iter().chain([&self.anywhere]);
        match call.protocol {
            Protocol::Http => resolve_http(call, sites, mode),
            Protocol::Grpc => resolve_grpc(call, sites),
        }
    }
}

fn resolve_http<'t>(
    call: &HttpCall,
    sites: impl Iterator<Item = &'t Site> + Clone,
    mode: PathMode,
) -> Result<Mapped<'t>, MappingError> {
    let path = Path::read(&call.target, mode).map_err(MappingError::AmbiguousPath)?;
    // The content type is the client's word. Servers take calls of a gRPC service under other types
    // too, so a path of one is never an ordinary path.
    if let [service, _] = path.segments()
        && sites
            .clone()
            .any(|site| site.grpc.contains_key(service.decoded()))
    {
        return resolve_grpc(call, sites);
    }
    let written = path.query().unwrap_or_default();
    let read = || Query::read(written).map_err(MappingError::BadQuery);
    let strict = match mode {
        PathMode::Strict => Some(read()?),
        PathMode::Normalise | PathMode::Raw => None,
    };
    let tries = sites.map(|site| &site.http);
    let meaning = match find(&tries, &call.method, &path) {
        Found::Nothing => return Err(MappingError::Unmapped),
        Found::Doubtful => return Err(MappingError::AmbiguousPath(PathFault::NearRoute)),
        Found::Route(meaning) => meaning,
    };
    let query = match strict {
        Some(query) => query,
        None if meaning.reads_query() => read()?,
        None => Query::default(),
    };
    meaning.of(call, &path, &query)
}

/// A gRPC call means what a gRPC route says, and never what an HTTP route says: the path of one is
/// a service and a method, exactly two plain names, in every path mode (rule 49).
fn resolve_grpc<'t>(
    call: &HttpCall,
    mut sites: impl Iterator<Item = &'t Site>,
) -> Result<Mapped<'t>, MappingError> {
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
    let meaning = sites
        .find_map(|site| site.grpc.get(service)?.pick(method))
        .ok_or(MappingError::Unmapped)?;
    meaning.of(call, &path, &Query::default())
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
