//! From the services of a bundle to a table.

use super::{GrpcService, Handler, Site, Table};
use crate::mapping::catalogue::Catalogue;
use crate::mapping::conflict::{Relation, overlap, relate};
use crate::mapping::definition::{Definition, read_hosts};
use crate::mapping::matcher::{HttpMatcher, Matcher};
use crate::mapping::meaning::Meaning;
use crate::mapping::operations::Operations;
use crate::mapping::rule;
use crate::mapping::s3::S3;
use crate::policy::{Diagnostic, PathMode, Place, Route, Service, ServiceProtocol};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// A route on its way into the table.
struct Entry<'s> {
    route: &'s Route,
    matcher: Matcher,
    /// `None` is any host.
    hosts: Option<BTreeSet<Box<str>>>,
    mode: PathMode,
    meaning: Arc<Meaning>,
}

/// The entries of one host, or those for any host.
struct Group<'e, 's> {
    mode: PathMode,
    entries: Vec<&'e Entry<'s>>,
}

pub(super) fn compile(services: &[Service]) -> Result<Table, Vec<Diagnostic>> {
    let mut faults = Vec::new();
    let mut entries = Vec::new();
    let mut catalogue = Catalogue::default();
    let mut handlers = Handlers::default();
    for service in services {
        let definition = Definition::read(service, &mut faults);
        catalogue.add(service, &definition.facts, &definition.types);
        handlers.add(&definition, &mut faults);
        for route in &service.routes {
            entries.extend(entry(route, &definition, &mut faults));
        }
    }
    let (anywhere, hosts) = group(&entries);
    let mut told = BTreeSet::new();
    for group in hosts.values().chain([&anywhere]) {
        check_pairs(group, &mut told, &mut faults);
    }
    check_hosts(services, &mut faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    catalogue.finish();
    let mut hosts: HashMap<Box<str>, Site> = hosts
        .into_iter()
        .map(|(host, group)| (host.into(), site(&group)))
        .collect();
    let mut anywhere = site(&anywhere);
    for GrpcHandler {
        name,
        hosts: bound,
        operations,
    } in handlers.grpc
    {
        let put = |site: &mut Site| {
            let entry = site.grpc.entry(name.as_str().into()).or_default();
            entry.operations = Some(Arc::clone(&operations));
        };
        match bound {
            None => put(&mut anywhere),
            Some(bound) => {
                for host in bound {
                    put(hosts.entry(host).or_default());
                }
            }
        }
    }
    Ok(Table {
        hosts,
        anywhere,
        protocols: handlers.by_host,
        buckets: handlers.buckets,
        catalogue,
    })
}

/// The services that have a protocol of their own.
#[derive(Default)]
struct Handlers {
    by_host: HashMap<Box<str>, Handler>,
    buckets: Vec<(Box<str>, Arc<S3>)>,
    /// gRPC services with the hosts that they are bound to.
    grpc: Vec<GrpcHandler>,
}

struct GrpcHandler {
    name: String,
    /// `None` is any host.
    hosts: Option<BTreeSet<Box<str>>>,
    operations: Arc<Operations>,
}

impl Handlers {
    fn add(&mut self, definition: &Definition<'_>, faults: &mut Vec<Diagnostic>) {
        let handler = match &definition.service.protocol {
            ServiceProtocol::Routes => return,
            ServiceProtocol::Grpc(name) => {
                let operations = Arc::new(Operations::compile(definition, faults));
                let (name, hosts) = (name.clone(), definition.hosts.clone());
                if self
                    .grpc
                    .iter()
                    .any(|known| known.name == name && known.hosts == hosts)
                {
                    let place = definition.service.place.clone();
                    let message = format!("another service has the methods of `{name}`, too");
                    faults.push(Diagnostic::error(rule::SAME_CALLS, place, message));
                }
                self.grpc.push(GrpcHandler {
                    name,
                    hosts,
                    operations,
                });
                return;
            }
            ServiceProtocol::S3 => match S3::compile(definition, faults) {
                Some(store) => Handler::S3(Arc::new(store)),
                None => return,
            },
            ServiceProtocol::AwsQuery(_) | ServiceProtocol::AwsJson(_) => {
                Handler::Operations(Arc::new(Operations::compile(definition, faults)))
            }
        };
        for host in definition.hosts.iter().flatten() {
            match (host.strip_prefix('*'), &handler) {
                (Some(suffix), Handler::S3(store)) => {
                    self.buckets.push((suffix.into(), Arc::clone(store)));
                }
                _ => {
                    self.by_host.insert(host.clone(), handler.clone());
                }
            }
        }
        // `a.b.test` before `b.test`.
        self.buckets
            .sort_by_key(|(suffix, _)| std::cmp::Reverse(suffix.len()));
    }
}

/// A host of a protocol is of one service: what its calls mean must not hang on their look.
fn check_hosts(services: &[Service], faults: &mut Vec<Diagnostic>) {
    let mut owners: BTreeMap<&str, &Service> = BTreeMap::new();
    let has_protocol = |service: &Service| {
        !matches!(
            service.protocol,
            ServiceProtocol::Routes | ServiceProtocol::Grpc(_)
        )
    };
    for service in services.iter().filter(|service| has_protocol(service)) {
        if service.hosts.is_empty() {
            let message = "a service with this protocol needs `hosts`";
            let fault = Diagnostic::error(rule::SHARED_HOST, service.place.clone(), message);
            faults.push(fault.hint("its calls are told from those of others by their host"));
        }
        for host in &service.hosts {
            owners.insert(host, service);
        }
    }
    for service in services {
        let of_routes = service.routes.iter().flat_map(|route| &route.hosts);
        for host in service.hosts.iter().chain(of_routes) {
            let is_below = |wild: &str| {
                let suffix = wild.strip_prefix('*');
                suffix.is_some_and(|suffix| host.ends_with(suffix))
            };
            let other = owners.iter().find(|(known, owner)| {
                let is_own = owner.name == service.name && owner.place == service.place;
                !is_own && (**known == host || is_below(known))
            });
            if let Some((known, other)) = other {
                let message = format!(
                    "the host `{host}` is `{known}` of the service `{}` at {}",
                    other.name, other.place
                );
                let place = service.place.clone();
                faults.push(
                    Diagnostic::error(rule::SHARED_HOST, place, message)
                        .hint("a service with a protocol shares its hosts with no other"),
                );
            }
        }
    }
}

fn entry<'s>(
    route: &'s Route,
    definition: &Definition<'s>,
    faults: &mut Vec<Diagnostic>,
) -> Option<Entry<'s>> {
    let matcher = match Matcher::parse(&route.matcher) {
        Ok(matcher) => matcher,
        Err(fault) => {
            let rule = if fault.is_naming() {
                rule::VARIABLE_NAME
            } else {
                rule::MATCHER
            };
            faults.push(
                Diagnostic::error(rule, route.place.clone(), fault.to_string()).hint(
                    "for example `GET /v1/orders/{OrderId}` or `grpc shop.v1.Orders/GetOrder`",
                ),
            );
            return None;
        }
    };
    let hosts = hosts(route, definition, faults);
    let meaning = Meaning::compile(route, &matcher, definition, faults)?;
    Some(Entry {
        route,
        matcher,
        hosts,
        mode: definition.service.paths,
        meaning: Arc::new(meaning),
    })
}

/// The hosts of a route: its own, which must be among the service's, or else the service's.
fn hosts(
    route: &Route,
    definition: &Definition<'_>,
    faults: &mut Vec<Diagnostic>,
) -> Option<BTreeSet<Box<str>>> {
    let Some(own) = read_hosts(&route.hosts, &route.place, false, faults) else {
        return definition.hosts.clone();
    };
    for host in &own {
        if definition
            .hosts
            .as_ref()
            .is_some_and(|all| !all.contains(host))
        {
            faults.push(
                Diagnostic::error(
                    rule::HOST,
                    route.place.clone(),
                    format!("`{host}` is not among the hosts of the service"),
                )
                .hint("a route confines its service's hosts; add the host there"),
            );
        }
    }
    Some(own)
}

/// Sorts entries by host. Each host's mode is the strictest of all services that could answer on
/// it, those for any host included.
fn group<'e, 's>(entries: &'e [Entry<'s>]) -> (Group<'e, 's>, BTreeMap<&'e str, Group<'e, 's>>) {
    let unbound: Vec<&Entry<'s>> = entries.iter().filter(|e| e.hosts.is_none()).collect();
    let anywhere = Group {
        mode: strictest(unbound.iter().copied()),
        entries: unbound,
    };
    let mut hosts: BTreeMap<&str, Vec<&Entry<'s>>> = BTreeMap::new();
    for entry in entries {
        for host in entry.hosts.iter().flatten() {
            hosts.entry(host).or_default().push(entry);
        }
    }
    let hosts = hosts
        .into_iter()
        .map(|(host, bound)| {
            let mode = strictest(bound.iter().chain(&anywhere.entries).copied());
            let entries = bound;
            (host, Group { mode, entries })
        })
        .collect();
    (anywhere, hosts)
}

/// The strictest mode of these entries; strict when there are none.
fn strictest<'e, 's: 'e>(entries: impl Iterator<Item = &'e Entry<'s>>) -> PathMode {
    let rank = |mode: &PathMode| match mode {
        PathMode::Strict => 0,
        PathMode::Normalise => 1,
        PathMode::Raw => 2,
    };
    entries
        .map(|entry| entry.mode)
        .min_by_key(rank)
        .unwrap_or(PathMode::Strict)
}

/// Tells every pair of routes of which both match a call and neither is the one to decide.
fn check_pairs<'s>(
    group: &Group<'_, 's>,
    told: &mut BTreeSet<(&'s Place, &'s Place)>,
    faults: &mut Vec<Diagnostic>,
) {
    let shapes: HashSet<String> = group
        .entries
        .iter()
        .filter_map(|entry| entry.http().map(ToString::to_string))
        .collect();
    for (at, later) in group.entries.iter().enumerate() {
        for earlier in group.entries.iter().take(at) {
            let pair = (&earlier.route.place, &later.route.place);
            if let Some(fault) = check_pair(earlier, later, group.mode, &shapes)
                && told.insert(pair)
            {
                faults.push(fault);
            }
        }
    }
}

fn check_pair(
    earlier: &Entry<'_>,
    later: &Entry<'_>,
    mode: PathMode,
    shapes: &HashSet<String>,
) -> Option<Diagnostic> {
    let same = || {
        let message = format!(
            "`{}` matches the same calls as `{}` at {}",
            later.route.matcher, earlier.route.matcher, earlier.route.place
        );
        Diagnostic::error(rule::SAME_CALLS, later.route.place.clone(), message)
            .hint("remove one of them, or confine them to different hosts")
    };
    let (left, right) = match (&earlier.matcher, &later.matcher) {
        (Matcher::Http(left), Matcher::Http(right)) => (left, right),
        (Matcher::Grpc(left), Matcher::Grpc(right)) => return (left == right).then(same),
        (Matcher::Http(_), Matcher::Grpc(_)) | (Matcher::Grpc(_), Matcher::Http(_)) => return None,
    };
    match relate(left, right, mode) {
        Relation::Disjoint | Relation::Nested => None,
        Relation::Same => Some(same()),
        Relation::Crossing => {
            let both = overlap(left, right).to_string();
            if shapes.contains(&both) {
                return None;
            }
            let message = format!(
                "`{}` and `{}` at {} both match `{both}`, and neither is the narrower",
                later.route.matcher, earlier.route.matcher, earlier.route.place
            );
            Some(
                Diagnostic::error(rule::CROSSING, later.route.place.clone(), message).hint(
                    format!("add a route that matches exactly `{both}` and says what it means"),
                ),
            )
        }
    }
}

impl Entry<'_> {
    const fn http(&self) -> Option<&HttpMatcher> {
        match &self.matcher {
            Matcher::Http(matcher) => Some(matcher),
            Matcher::Grpc(_) => None,
        }
    }
}

fn site(group: &Group<'_, '_>) -> Site {
    let mut site = Site {
        mode: group.mode,
        ..Site::default()
    };
    for entry in &group.entries {
        let meaning = Arc::clone(&entry.meaning);
        match &entry.matcher {
            Matcher::Http(matcher) => site.http.insert(matcher, meaning),
            Matcher::Grpc(matcher) => {
                let services: &mut HashMap<Box<str>, GrpcService> = &mut site.grpc;
                let service = services.entry(matcher.service.clone()).or_default();
                match &matcher.method {
                    Some(method) => {
                        service.methods.insert(method.clone(), meaning);
                    }
                    None => service.any = Some(meaning),
                }
            }
        }
    }
    site
}
