//! The REST protocol of S3: every request as its actions on buckets and objects.
//!
//! What the query says is read whole: a sub-resource that is not known here could be another action
//! to the upstream, so a name that is not of the operation refuses the request.

mod headers;
mod reader;
mod xml;

use super::body::plain;
use super::definition::{BoundResource, Definition, MappedService};
use super::error::{MappingError, ResourceFault};
use super::meaning::{Mapped, Target};
use super::path::{Path, PathFault};
use super::query::{Query, QueryFault};
use crate::model::{Action, HttpCall};
use crate::policy::s3::{BY_CONTENT, Level, OPERATIONS, Operation, falls_through};
use crate::policy::{Diagnostic, PathMode};
use headers::{check_headers, is_known};
use reader::Reader;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// A service that speaks S3.
#[derive(Debug)]
pub(super) struct S3 {
    service: Arc<MappedService>,
    bucket: BoundResource,
    object: BoundResource,
    actions: HashMap<&'static str, Action>,
    /// Whether keys may begin with a slash, or have two in a row: many stores take those for other
    /// keys.
    takes_empty_segments: bool,
}

/// Names in the query that belong to the signature, not to the operation.
const SIGNATURE: [&str; 7] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
];

impl S3 {
    /// Compiles a service with this protocol.
    pub(super) fn compile(
        definition: &Definition<'_>,
        faults: &mut Vec<Diagnostic>,
    ) -> Option<Self> {
        let mut resource = |name, captures: &[&str]| match definition.resource(name, captures) {
            Ok(resource) => Some(resource),
            Err(fault) => {
                let place = definition.service.place.clone();
                faults.push(Diagnostic::error(
                    super::rule::OPERATION,
                    place,
                    fault.to_string(),
                ));
                None
            }
        };
        let bucket = resource("bucket", &["Bucket"]);
        let object = resource("object", &["Bucket", "Key"]);
        let of_operations = OPERATIONS
            .iter()
            .flat_map(|operation| operation.actions.iter().chain(operation.of_version));
        let names = of_operations.chain(BY_CONTENT);
        // INVARIANT: every name in the table is an action, which a test makes sure of.
        let actions = names.filter_map(|name| Some((*name, Action::parse(name).ok()?)));
        Some(Self {
            service: Arc::clone(&definition.facts),
            bucket: bucket?,
            object: object?,
            actions: actions.collect(),
            takes_empty_segments: definition.service.paths == PathMode::Raw,
        })
    }

    pub(super) fn service(&self) -> &MappedService {
        &self.service
    }

    /// What a call means. `of_host` is the bucket that the host names, in the virtual-hosted form.
    pub(super) fn resolve<'t>(
        &'t self,
        call: &HttpCall,
        of_host: Option<&str>,
    ) -> Result<Mapped<'t>, MappingError> {
        let path = Path::read(&call.target, PathMode::Raw).map_err(MappingError::AmbiguousPath)?;
        let (bucket, key) = self.address(&path, of_host)?;
        let query =
            Query::read(path.query().unwrap_or_default()).map_err(MappingError::BadQuery)?;
        let level = match (&bucket, &key) {
            (None, _) => Level::Service,
            (Some(_), None) => Level::Bucket,
            (Some(_), Some(_)) => Level::Object,
        };
        let operation = find(&call.method, level, &query)?;
        check_headers(call)?;
        let mut reader = Reader {
            call,
            hoisted: hoisted(&query)?,
            query,
            context: Vec::new(),
            unknown: Vec::new(),
            reads_body: false,
            headers: Vec::new(),
        };
        let version = reader.version(operation)?;
        reader.set_keys(operation)?;
        let bucket = bucket.unwrap_or_default();
        let mut targets: SmallVec<[Target<'t>; 1]> = SmallVec::new();
        if (operation.method, operation.selector) == ("POST", "delete") {
            self.add_deletions(&mut reader, &bucket, &mut targets)?;
        } else {
            let names = match &version {
                Some(_) if !operation.of_version.is_empty() => operation.of_version,
                _ => operation.actions,
            };
            let plain = falls_through(operation);
            let plain = plain.map_or(&[][..], |plain| match &version {
                Some(_) if !plain.of_version.is_empty() => plain.of_version,
                _ => plain.actions,
            });
            for name in names
                .iter()
                .chain(plain.iter().filter(|name| !names.contains(name)))
            {
                targets.push(self.target(name, &bucket, key.as_deref(), version.as_deref())?);
            }
            for name in reader.extra_actions(operation)? {
                targets.push(self.target(name, &bucket, key.as_deref(), version.as_deref())?);
            }
            if let Some(source) = reader.copy_source(operation)? {
                self.check_key(&source.key)?;
                let name = if source.version.is_some() {
                    "s3:GetObjectVersion"
                } else {
                    "s3:GetObject"
                };
                let version = source.version.as_deref();
                targets.push(self.target(name, &source.bucket, Some(&source.key), version)?);
            }
        }
        Ok(Mapped {
            service: &self.service,
            route: &self.service.name,
            targets,
            context: reader.context,
            unknown: reader.unknown.into_iter().map(Cow::Borrowed).collect(),
            headers: reader.headers,
            reads_body: reader.reads_body,
        })
    }

    /// Bucket and key of a request.
    fn address(
        &self,
        path: &Path<'_>,
        of_host: Option<&str>,
    ) -> Result<(Option<String>, Option<String>), MappingError> {
        let mut segments = path.segments().iter().map(super::path::Segment::decoded);
        let bucket = match of_host {
            Some(bucket) => Some(bucket),
            None => segments.next(),
        };
        let Some(bucket) = bucket else {
            return Ok((None, None));
        };
        // Some stores have other doors of theirs behind such a name.
        let is_door = of_host.is_none() && DOORS.contains(&bucket);
        if !is_bucket(bucket) || is_door {
            return Err(MappingError::BadResource(ResourceFault::NotAName));
        }
        let mut key = String::new();
        for (at, segment) in segments.enumerate() {
            if at > 0 {
                key.push('/');
            }
            key.push_str(segment);
        }
        let is_bucket_alone = path.segments().len() == usize::from(of_host.is_none());
        if path.has_trailing_slash() && !is_bucket_alone {
            key.push('/');
        }
        if is_bucket_alone {
            return Ok((Some(bucket.to_owned()), None));
        }
        self.check_key(&key)?;
        Ok((Some(bucket.to_owned()), Some(key)))
    }

    fn target(
        &self,
        name: &str,
        bucket: &str,
        key: Option<&str>,
        version: Option<&str>,
    ) -> Result<Target<'_>, MappingError> {
        let action = Cow::Borrowed(self.actions.get(name).ok_or(MappingError::Unmapped)?);
        let bucket = Cow::Borrowed(bucket);
        let mut target = match key {
            Some(key) => {
                let values = [bucket, Cow::Borrowed(key)];
                self.object.target(&self.service, action, &values)?
            }
            None if bucket.is_empty() => Target::of_service(&self.service, action),
            None => self.bucket.target(&self.service, action, &[bucket])?,
        };
        if let Some(version) = version {
            target.context.push(("s3:VersionId", version.into()));
        }
        Ok(target)
    }

    fn check_key(&self, key: &str) -> Result<(), MappingError> {
        check_key(key, self.takes_empty_segments)
    }

    /// The objects that a body says to delete.
    fn add_deletions<'t>(
        &'t self,
        reader: &mut Reader<'_>,
        bucket: &str,
        targets: &mut SmallVec<[Target<'t>; 1]>,
    ) -> Result<(), MappingError> {
        let bytes = plain(reader.call).map_err(MappingError::BadBody)?;
        let deletions = xml::deletions(bytes).map_err(MappingError::BadBody)?;
        reader.reads_body = true;
        let bypasses = reader.bypasses()?;
        for deletion in &deletions {
            self.check_key(&deletion.key)?;
            let version = deletion.version.as_deref();
            let name = if version.is_some() {
                "s3:DeleteObjectVersion"
            } else {
                "s3:DeleteObject"
            };
            let bypass = bypasses.then_some("s3:BypassGovernanceRetention");
            for name in [Some(name), bypass].into_iter().flatten() {
                targets.push(self.target(name, bucket, Some(&deletion.key), version)?);
            }
        }
        Ok(())
    }
}

/// Paths of stores that are no buckets: their consoles, and other protocols.
const DOORS: [&str; 5] = ["admin", "auth", "health", "minio", "swift"];

/// The names that S3 gives to buckets.
fn is_bucket(name: &str) -> bool {
    let is_edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let fits = |byte: u8| is_edge(byte) || matches!(byte, b'-' | b'.');
    let bytes = name.as_bytes();
    (3..=63).contains(&name.len())
        && bytes.iter().all(|byte| fits(*byte))
        && bytes.first().is_some_and(|byte| is_edge(*byte))
        && bytes.last().is_some_and(|byte| is_edge(*byte))
        && !name.contains("..")
}

/// A key in which no reader finds a way to another one.
fn check_key(key: &str, may_be_empty: bool) -> Result<(), MappingError> {
    let is_doubled = key.starts_with('/') || key.contains("//");
    if is_doubled && !may_be_empty {
        return Err(MappingError::AmbiguousPath(PathFault::EmptySegment));
    }
    if key.is_empty() || key.len() > 1_024 {
        return Err(MappingError::BadResource(ResourceFault::NotAName));
    }
    if key
        .split(['/', '\\'])
        .any(|part| part == "." || part == "..")
    {
        return Err(MappingError::AmbiguousPath(PathFault::DotSegment));
    }
    if key.chars().any(char::is_control) {
        return Err(MappingError::AmbiguousPath(PathFault::EncodedControl));
    }
    Ok(())
}

/// The operation, by everything that stands in the query.
fn find(method: &str, level: Level, query: &Query<'_>) -> Result<&'static Operation, MappingError> {
    let mut names: SmallVec<[&str; 8]> = SmallVec::new();
    for (name, _) in query.iter() {
        if names.contains(&name) {
            return Err(MappingError::BadQuery(QueryFault::Repeated));
        }
        names.push(name);
    }
    // SDKs name the operation for those who read logs; it decides nothing.
    let is_foreign =
        |name: &&&str| !SIGNATURE.contains(name) && **name != "x-id" && !is_hoisted(name);
    let is_selector = |name: &str| {
        OPERATIONS
            .iter()
            .any(|operation| !operation.selector.is_empty() && operation.selector == name)
    };
    let mut selector = "";
    for name in names.iter().filter(is_foreign) {
        if is_selector(name) {
            if !selector.is_empty() {
                // Which of them the upstream would take, nobody can tell.
                return Err(MappingError::BadQuery(QueryFault::Ambiguous));
            }
            selector = name;
        }
    }
    let mut candidates = OPERATIONS.iter().filter(|operation| {
        operation.method == method && operation.level == level && operation.selector == selector
    });
    let operation = candidates
        .find(|operation| operation.needs.iter().all(|name| names.contains(name)))
        .ok_or(MappingError::Unmapped)?;
    for name in names.iter().filter(is_foreign) {
        let is_known = *name == selector
            || operation.needs.contains(name)
            || operation.may_have.contains(name);
        if !is_known {
            return Err(MappingError::BadQuery(QueryFault::UnknownName));
        }
    }
    for (name, value) in query.iter() {
        // To some stores a name without value is not there, and the operation another one.
        let is_void = value.is_empty() && NEED_VALUES.contains(&name);
        if is_void || (name == "select-type" && value != "2") {
            return Err(MappingError::BadQuery(QueryFault::Ambiguous));
        }
    }
    Ok(operation)
}

/// Names in the query that tell operations apart by their values.
const NEED_VALUES: [&str; 5] = [
    "annotationName",
    "id",
    "partNumber",
    "uploadId",
    "versionId",
];

/// Whether a name in the query stands for a header.
fn is_hoisted(name: &str) -> bool {
    let start = name.get(..6);
    !SIGNATURE.contains(&name) && start.is_some_and(|start| start.eq_ignore_ascii_case("x-amz-"))
}

/// The headers that SDKs write into a signed address. Elsewhere a parameter is no header: what a
/// signature covers is one thing, and what a store makes of it another (SIG-21).
fn hoisted(query: &Query<'_>) -> Result<Vec<(String, Box<str>)>, MappingError> {
    let is_address = query.iter().any(|(name, _)| name == "X-Amz-Signature");
    let mut found: Vec<(String, Box<str>)> = Vec::new();
    for (name, _) in query.iter().filter(|(name, _)| is_hoisted(name)) {
        let folded = name.to_ascii_lowercase();
        if !is_address || !is_known(&folded) {
            return Err(MappingError::BadQuery(QueryFault::UnknownName));
        }
        if found.iter().any(|(known, _)| *known == folded) {
            return Err(MappingError::BadQuery(QueryFault::Repeated));
        }
        let values = query.values(name, PathMode::Strict);
        let value = values.map_err(MappingError::BadQuery)?.into_iter().next();
        found.push((folded, value.unwrap_or_default()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
