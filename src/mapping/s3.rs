//! The REST protocol of S3: every request as its actions on buckets and objects.
//!
//! What the query says is read whole: a sub-resource that is not known here could be another action
//! to the upstream, so a name that is not of the operation refuses the request.

mod xml;

use super::body::plain;
use super::definition::{BoundResource, Definition, MappedService};
use super::error::{MappingError, ResourceFault};
use super::meaning::{Mapped, Target};
use super::path::{Path, PathFault};
use super::query::{Query, QueryFault};
use crate::model::{Action, Body, HttpCall, percent};
use crate::policy::s3::{BY_CONTENT, Level, OPERATIONS, Operation, falls_through};
use crate::policy::{Diagnostic, PathMode};
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

/// Headers whose values are condition keys of the same name behind `s3:`.
const HEADER_KEYS: [&str; 17] = [
    "x-amz-acl",
    "x-amz-bucket-namespace",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-metadata-directive",
    "x-amz-object-annotation-directive",
    "x-amz-object-if-match",
    "x-amz-object-ownership",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
    "x-amz-content-sha256",
];

/// Headers whose condition keys are called without the prefix of the header.
const LOCK_KEYS: [&str; 5] = [
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-object-lock-legal-hold",
    "x-amz-object-lock-event-hold",
    "x-amz-object-lock-event-hold-duration-days",
];

/// A duration that has a condition key in days alone.
const YEARS: &str = "x-amz-object-lock-event-hold-duration-years";

/// The condition keys of [`HEADER_KEYS`], in the same order.
const KEYS_OF_HEADERS: [&str; 17] = [
    "s3:x-amz-acl",
    "s3:x-amz-bucket-namespace",
    "s3:x-amz-grant-full-control",
    "s3:x-amz-grant-read",
    "s3:x-amz-grant-read-acp",
    "s3:x-amz-grant-write",
    "s3:x-amz-grant-write-acp",
    "s3:x-amz-metadata-directive",
    "s3:x-amz-object-annotation-directive",
    "s3:x-amz-object-if-match",
    "s3:x-amz-object-ownership",
    "s3:x-amz-server-side-encryption",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "s3:x-amz-server-side-encryption-customer-algorithm",
    "s3:x-amz-storage-class",
    "s3:x-amz-website-redirect-location",
    "s3:x-amz-content-sha256",
];

/// The condition keys of [`LOCK_KEYS`], in the same order.
const KEYS_OF_LOCKS: [&str; 5] = [
    "s3:object-lock-mode",
    "s3:object-lock-retain-until-date",
    "s3:object-lock-legal-hold",
    "s3:object-lock-event-hold",
    "s3:object-lock-event-hold-duration-days",
];

/// Parameters of the query whose values are condition keys of the same name behind `s3:`.
const QUERY_KEYS: [&str; 5] = [
    "annotation-prefix",
    "delimiter",
    "max-annotation-results",
    "max-keys",
    "prefix",
];

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

/// What a request says, each part of it read once.
struct Reader<'c> {
    call: &'c HttpCall,
    query: Query<'c>,
    /// Headers that stand in the query of a signed address, by their names in lower case.
    hoisted: Vec<(String, Box<str>)>,
    context: Vec<(Cow<'static, str>, Vec<Box<str>>)>,
    unknown: Vec<&'static str>,
    reads_body: bool,
    /// Beyond those that begin with `x-amz-`.
    headers: Vec<&'static str>,
}

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

/// What may be said under names that begin with `x-amz-`, by header or by a signed address in the
/// place of one; beyond those that are condition keys. Whatever else begins so could be another
/// operation to the upstream.
const KNOWN: [&str; 55] = [
    "x-amz-bucket-object-lock-enabled",
    "x-amz-bucket-object-lock-token",
    "x-amz-bypass-governance-retention",
    "x-amz-checksum-algorithm",
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-md5",
    "x-amz-checksum-mode",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
    "x-amz-checksum-sha512",
    "x-amz-checksum-type",
    "x-amz-checksum-xxhash128",
    "x-amz-checksum-xxhash3",
    "x-amz-checksum-xxhash64",
    "x-amz-confirm-remove-self-bucket-access",
    "x-amz-copy-source",
    "x-amz-copy-source-if-match",
    "x-amz-copy-source-if-modified-since",
    "x-amz-copy-source-if-none-match",
    "x-amz-copy-source-if-unmodified-since",
    "x-amz-copy-source-range",
    "x-amz-copy-source-server-side-encryption-customer-algorithm",
    "x-amz-copy-source-server-side-encryption-customer-key",
    "x-amz-copy-source-server-side-encryption-customer-key-md5",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-expected-bucket-owner",
    "x-amz-if-match-initiated-time",
    "x-amz-if-match-last-modified-time",
    "x-amz-if-match-size",
    "x-amz-max-parts",
    "x-amz-mfa",
    "x-amz-mp-object-size",
    "x-amz-object-attributes",
    "x-amz-object-lock-event-hold-duration-years",
    "x-amz-optional-object-attributes",
    "x-amz-part-number-marker",
    "x-amz-request-payer",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-security-token",
    "x-amz-server-side-encryption-bucket-key-enabled",
    "x-amz-server-side-encryption-context",
    "x-amz-server-side-encryption-customer-key",
    "x-amz-server-side-encryption-customer-key-md5",
    "x-amz-skip-destination-validation",
    "x-amz-source-expected-bucket-owner",
    "x-amz-tagging",
    "x-amz-tagging-directive",
    "x-amz-te",
    "x-amz-trailer",
    "x-amz-transition-default-minimum-object-size",
    "x-amz-user-agent",
    "x-amz-website-redirect-location",
];

/// Headers of certain stores that change what a request does.
const OF_STORES: [&str; 7] = [
    "seaweed-",
    "x-auth-token",
    "x-minio-",
    "x-rgw-",
    "x-rustfs-",
    "x-seaweedfs-",
    "x-storage-token",
];

fn is_known(name: &str) -> bool {
    // Archives that a store unpacks into many objects.
    let unpacks = name.contains("snowball") || name.starts_with("x-amz-meta-minio");
    HEADER_KEYS.contains(&name)
        || LOCK_KEYS.contains(&name)
        || KNOWN.contains(&name)
        || (name.starts_with("x-amz-meta-") && !unpacks)
}

/// Refuses headers that nobody knows.
fn check_headers(call: &HttpCall) -> Result<(), MappingError> {
    for (name, _) in call.headers.iter() {
        let is_of_amazon = name.starts_with("x-amz-");
        let is_of_store = OF_STORES.iter().any(|prefix| name.starts_with(prefix));
        if is_of_store || (is_of_amazon && !is_known(name)) {
            return Err(MappingError::UnknownHeader { name: name.into() });
        }
    }
    if call.method == "POST" {
        // A form of a browser names bucket, key and policy in its body.
        let name = "content-type";
        let of_body = call.headers.single(name);
        let of_body = of_body.map_err(|fault| MappingError::BadHeader {
            name: name.into(),
            fault,
        })?;
        let folded = of_body.unwrap_or_default().to_ascii_lowercase();
        if folded.contains("multipart/") {
            return Err(MappingError::Unmapped);
        }
    }
    Ok(())
}

/// The most tags that a request can give (TAG limits).
const MAX_TAGS: usize = 50;

/// The condition keys of tags that an object is to have.
const OF_OBJECT_TAGS: [&str; 4] = [
    "aws:RequestTag/",
    "aws:TagKeys",
    "s3:RequestObjectTag/",
    "s3:RequestObjectTagKeys",
];

/// Where a copy comes from.
struct CopySource {
    bucket: String,
    key: String,
    version: Option<String>,
}

impl Reader<'_> {
    /// A header, or the parameter that a signed address carries in its place; never both.
    fn parameter(&self, name: &'static str) -> Result<Option<Box<str>>, MappingError> {
        let header = self.header(name)?;
        match (header, self.hoisted(name)) {
            (Some(_), Some(_)) => Err(MappingError::BadQuery(QueryFault::Ambiguous)),
            (header, of_query) => Ok(header.or(of_query).map(Box::from)),
        }
    }

    fn header(&self, name: &'static str) -> Result<Option<&str>, MappingError> {
        let header = self.call.headers.single(name);
        header.map_err(|fault| MappingError::BadHeader {
            name: name.into(),
            fault,
        })
    }

    fn hoisted(&self, name: &str) -> Option<&str> {
        let mut hoisted = self.hoisted.iter();
        let found = hoisted.find(|(known, _)| known == name);
        found.map(|(_, value)| &**value)
    }

    /// Sets a condition key from a header, which then has to be signed. Not every store reads a
    /// parameter in the place of one, so the key is unknown then: what denies by it does, and what
    /// allows by it does not.
    fn set_parameter(&mut self, key: &'static str, name: &'static str) -> Result<(), MappingError> {
        if self.parameter(name)?.is_none() {
            return Ok(());
        }
        match self.header(name)?.map(Box::<str>::from) {
            Some(value) => {
                self.headers.push(name);
                self.set(key, value);
            }
            None => self.unknown.push(key),
        }
        Ok(())
    }

    /// The value of a name in the query.
    fn query_value(&self, name: &str) -> Result<Option<Box<str>>, MappingError> {
        let values = self.query.values(name, PathMode::Strict);
        Ok(values.map_err(MappingError::BadQuery)?.into_iter().next())
    }

    fn set(&mut self, key: impl Into<Cow<'static, str>>, value: impl Into<Box<str>>) {
        self.context.push((key.into(), vec![value.into()]));
    }

    /// The version that the query names.
    fn version(&self, operation: &Operation) -> Result<Option<Box<str>>, MappingError> {
        if !operation.may_have.contains(&"versionId") {
            return Ok(None);
        }
        match self.query_value("versionId")? {
            // None at all to some, and the empty one to others.
            Some(version) if version.is_empty() => {
                Err(MappingError::BadQuery(QueryFault::Ambiguous))
            }
            version => Ok(version),
        }
    }

    /// The condition keys that header and query tell.
    fn set_keys(&mut self, operation: &Operation) -> Result<(), MappingError> {
        for (name, key) in HEADER_KEYS.into_iter().zip(KEYS_OF_HEADERS) {
            if name == "x-amz-content-sha256" && self.hoisted(name).is_some() {
                // In an address it can say nothing but what such an address means anyway.
                if self.hoisted(name) != Some("UNSIGNED-PAYLOAD") {
                    return Err(MappingError::BadQuery(QueryFault::Ambiguous));
                }
                continue;
            }
            self.set_parameter(key, name)?;
        }
        for (name, key) in LOCK_KEYS.into_iter().zip(KEYS_OF_LOCKS) {
            self.set_parameter(key, name)?;
        }
        if self
            .parameter("x-amz-object-lock-retain-until-date")?
            .is_some()
        {
            // How a fraction of a day counts is not known.
            self.unknown.push("s3:object-lock-remaining-retention-days");
        }
        if ["", "versions", "annotation"].contains(&operation.selector)
            && operation.level != Level::Service
        {
            for name in QUERY_KEYS {
                if !operation.may_have.contains(&name) {
                    continue;
                }
                if let Some(value) = self.query_value(name)? {
                    self.set(format!("s3:{name}"), value);
                }
            }
        }
        // Reads may carry these too, where they decide nothing and nobody signs them.
        if operation.method != "GET" && operation.method != "HEAD" {
            for name in ["if-match", "if-none-match"] {
                let value = self.call.headers.joined(name);
                match value {
                    Ok(Some(value)) => {
                        self.set(format!("s3:{name}"), value);
                        self.headers.push(name);
                    }
                    Ok(None) => {}
                    Err(fault) => {
                        return Err(MappingError::BadHeader {
                            name: name.into(),
                            fault,
                        });
                    }
                }
            }
        }
        self.unknown.extend(["s3:TlsVersion", "s3:BucketTag/"]);
        // AWS does not offer them where an object comes or goes.
        let comes_or_goes =
            operation.selector.is_empty() && matches!(operation.method, "PUT" | "DELETE");
        if operation.level == Level::Object && !comes_or_goes {
            self.unknown.push("s3:ExistingObjectTag/");
        }
        self.set_tags(operation)?;
        self.set_body(operation)?;
        let creates = match (operation.level, operation.method, operation.selector) {
            (Level::Object, "PUT", "") | (Level::Object, "POST", "uploadId") => Some(true),
            (Level::Object, "PUT", "uploadId") | (Level::Object, "POST", "uploads") => Some(false),
            _ => None,
        };
        if let Some(creates) = creates {
            self.set("s3:ObjectCreationOperation", creates.to_string());
        }
        Ok(())
    }

    /// The tags that a header gives to a new object.
    fn set_tags(&mut self, operation: &Operation) -> Result<(), MappingError> {
        let Some(text) = self.parameter("x-amz-tagging")? else {
            return Ok(());
        };
        if !creates_object(operation) {
            return Err(MappingError::Unmapped);
        }
        let is_copy = self.parameter("x-amz-copy-source")?.is_some();
        let directive = self.parameter("x-amz-tagging-directive")?;
        // Without it a copy takes the tags of its source; and not every store reads a parameter.
        let is_taken = !is_copy || directive.as_deref() == Some("REPLACE");
        if !is_taken || self.header("x-amz-tagging")?.is_none() {
            self.unknown.extend(OF_OBJECT_TAGS);
            return Ok(());
        }
        self.headers.push("x-amz-tagging");
        self.headers.push("x-amz-tagging-directive");
        if text.contains(['+', ';']) {
            return Err(MappingError::BadQuery(QueryFault::Plus));
        }
        let tags = Query::read(&text).map_err(MappingError::BadQuery)?;
        let tags: Vec<(String, String)> = tags
            .iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        if tags.len() > MAX_TAGS {
            return Err(MappingError::BadQuery(QueryFault::TooManyPairs));
        }
        self.set_object_tags(&tags)
    }

    fn set_object_tags(&mut self, tags: &[(String, String)]) -> Result<(), MappingError> {
        self.tag_keys(tags, ["s3:RequestObjectTag/", "s3:RequestObjectTagKeys"])?;
        self.tag_keys(tags, ["aws:RequestTag/", "aws:TagKeys"])
    }

    /// One key for each tag, and one with all their names.
    fn tag_keys(
        &mut self,
        tags: &[(String, String)],
        [family, names]: [&'static str; 2],
    ) -> Result<(), MappingError> {
        if tags.len() > MAX_TAGS {
            return Err(MappingError::BadBody(super::body::BodyFault::TooLong));
        }
        for (at, (key, value)) in tags.iter().enumerate() {
            // KEY-2: names of condition keys fold, so two such tags have one key.
            let is_again = |(other, _): &(String, String)| other.eq_ignore_ascii_case(key);
            if key.is_empty() || tags.iter().take(at).any(is_again) {
                return Err(MappingError::BadQuery(QueryFault::Repeated));
            }
            self.set(format!("{family}{key}"), value.as_str());
        }
        let all = tags.iter().map(|(key, _)| key.as_str().into()).collect();
        self.context.push((names.into(), all));
        Ok(())
    }

    /// The condition keys that a body tells. One that was not shown leaves them unknown.
    fn set_body(&mut self, operation: &Operation) -> Result<(), MappingError> {
        let keys: &[&'static str] = match (operation.level, operation.method, operation.selector) {
            (Level::Bucket, "PUT", "") => {
                &["s3:LocationConstraint", "aws:RequestTag/", "aws:TagKeys"]
            }
            (Level::Bucket, "PUT", "tagging") => &["aws:RequestTag/", "aws:TagKeys"],
            (Level::Object, "PUT", "tagging") => &OF_OBJECT_TAGS,
            (Level::Object, "PUT", "retention") => &[
                "s3:object-lock-mode",
                "s3:object-lock-retain-until-date",
                "s3:object-lock-remaining-retention-days",
                "s3:object-lock-event-hold",
                "s3:object-lock-event-hold-duration-days",
            ],
            (Level::Object, "PUT", "legal-hold") => &["s3:object-lock-legal-hold"],
            (Level::Object, "POST", "restore") => return self.check_restore(),
            (Level::Bucket, "PUT", "inventory") => &["s3:InventoryAccessibleOptionalFields"],
            _ => return Ok(()),
        };
        let is_at_hand = matches!(self.call.body, Body::Known(_));
        if !is_at_hand || operation.selector == "inventory" {
            self.unknown.extend(keys);
            return Ok(());
        }
        let bytes = plain(self.call).map_err(MappingError::BadBody)?;
        self.reads_body = true;
        let bad = MappingError::BadBody;
        match (operation.level, operation.selector) {
            (Level::Bucket, "") => {
                let bucket = xml::new_bucket(bytes).map_err(bad)?;
                if let Some(location) = bucket.location {
                    self.set("s3:LocationConstraint", location);
                }
                if !bucket.tags.is_empty() {
                    self.tag_keys(&bucket.tags, ["aws:RequestTag/", "aws:TagKeys"])?;
                }
            }
            (Level::Bucket, "tagging") => {
                let tags = xml::tags(bytes).map_err(bad)?;
                self.tag_keys(&tags, ["aws:RequestTag/", "aws:TagKeys"])?;
            }
            (_, "tagging") => {
                let tags = xml::tags(bytes).map_err(bad)?;
                self.set_object_tags(&tags)?;
            }
            (_, "legal-hold") => {
                for (name, value) in xml::flat(bytes, "LegalHold").map_err(bad)? {
                    if name == "Status" {
                        self.set("s3:object-lock-legal-hold", value);
                    }
                }
            }
            _ => {
                self.unknown.extend(keys.iter().skip(2));
                for (name, value) in xml::flat(bytes, "Retention").map_err(bad)? {
                    match name.as_str() {
                        "Mode" => self.set("s3:object-lock-mode", value),
                        "RetainUntilDate" => self.set("s3:object-lock-retain-until-date", value),
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }

    /// A restoration may also ask for a selection, to be written elsewhere.
    fn check_restore(&mut self) -> Result<(), MappingError> {
        let bytes = plain(self.call).map_err(MappingError::BadBody)?;
        self.reads_body = true;
        if bytes.is_empty() {
            return Ok(());
        }
        xml::restoration(bytes).map_err(MappingError::BadBody)
    }

    fn bypasses(&mut self) -> Result<bool, MappingError> {
        let value = self.parameter("x-amz-bypass-governance-retention")?;
        if self.header("x-amz-bypass-governance-retention")?.is_some() {
            self.headers.push("x-amz-bypass-governance-retention");
        }
        Ok(value.is_some_and(|value| !value.eq_ignore_ascii_case("false")))
    }

    /// The actions that a request is beyond that of its operation, by what it carries.
    fn extra_actions(
        &mut self,
        operation: &Operation,
    ) -> Result<SmallVec<[&'static str; 4]>, MappingError> {
        let mut actions = SmallVec::new();
        let has = |reader: &Self, name| Ok(reader.parameter(name)?.is_some());
        let mut grants = false;
        for name in [
            "x-amz-grant-full-control",
            "x-amz-grant-read",
            "x-amz-grant-read-acp",
            "x-amz-grant-write",
            "x-amz-grant-write-acp",
        ] {
            grants |= has(self, name)?;
        }
        let acl = self.parameter("x-amz-acl")?;
        if creates_object(operation) {
            if grants || acl.is_some() {
                actions.push("s3:PutObjectAcl");
            }
            if has(self, "x-amz-tagging")? {
                actions.push("s3:PutObjectTagging");
            }
            let mut retention = false;
            for name in LOCK_KEYS.into_iter().chain([YEARS]) {
                retention |= name != "x-amz-object-lock-legal-hold" && has(self, name)?;
            }
            if has(self, YEARS)? {
                // Years are days, too.
                self.unknown.push("s3:object-lock-event-hold-duration-days");
            }
            if retention {
                actions.push("s3:PutObjectRetention");
            }
            if has(self, "x-amz-object-lock-legal-hold")? {
                actions.push("s3:PutObjectLegalHold");
            }
        }
        if (operation.level, operation.method, operation.selector) == (Level::Bucket, "PUT", "") {
            if grants || acl.is_some_and(|acl| *acl != *"private") {
                actions.push("s3:PutBucketAcl");
            }
            if has(self, "x-amz-bucket-object-lock-enabled")? {
                self.headers.push("x-amz-bucket-object-lock-enabled");
                actions.push("s3:PutBucketObjectLockConfiguration");
                actions.push("s3:PutBucketVersioning");
            }
            if has(self, "x-amz-object-ownership")? {
                actions.push("s3:PutBucketOwnershipControls");
            }
            let tags = self.context.iter().any(|(key, _)| key == "aws:TagKeys");
            // A body that was not shown may hold some.
            if tags || self.unknown.contains(&"aws:TagKeys") {
                actions.push("s3:TagResource");
            }
        }
        if self.bypasses()? {
            let has_lock =
                operation.level == Level::Object && matches!(operation.method, "DELETE" | "PUT");
            if !has_lock {
                return Err(MappingError::Unmapped);
            }
            actions.push("s3:BypassGovernanceRetention");
        }
        Ok(actions)
    }

    /// Where a copy comes from, if the request is one.
    fn copy_source(&mut self, operation: &Operation) -> Result<Option<CopySource>, MappingError> {
        let Some(text) = self.parameter("x-amz-copy-source")? else {
            return Ok(None);
        };
        let is_copy = operation.level == Level::Object
            && operation.method == "PUT"
            && ["", "uploadId"].contains(&operation.selector);
        if !is_copy {
            return Err(MappingError::Unmapped);
        }
        let bad = || MappingError::BadResource(ResourceFault::NotAName);
        if self.header("x-amz-copy-source")?.is_some() {
            self.headers.push("x-amz-copy-source");
        }
        // A plus is a blank to some readers.
        if text.contains('+') {
            return Err(MappingError::BadQuery(QueryFault::Plus));
        }
        // Readers that take it for an address end the name there.
        if text.contains(['#', ';', '\\']) || text.chars().any(char::is_control) {
            return Err(bad());
        }
        let bare = text.strip_prefix('/').unwrap_or(&text);
        let (name, version) = match bare.split_once("?versionId=") {
            Some((name, version)) => (name, Some(version)),
            None => (bare, None),
        };
        let is_version = |version: &str| {
            let fits =
                |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
            !version.is_empty() && version.bytes().all(fits)
        };
        if name.contains('?') || !version.is_none_or(is_version) {
            return Err(bad());
        }
        let decoded = |text: &str| {
            let bytes = percent::decode(text).ok()?;
            String::from_utf8(bytes.into_owned()).ok()
        };
        let name = decoded(name).ok_or_else(bad)?;
        let (bucket, key) = name.split_once('/').ok_or_else(bad)?;
        if !is_bucket(bucket) {
            return Err(bad());
        }
        // The tags of the source are not known, whatever becomes of the copy.
        self.unknown.push("s3:ExistingObjectTag/");
        if self.header("x-amz-copy-source")?.is_some() {
            self.set("s3:x-amz-copy-source", format!("{bucket}/{key}"));
        } else {
            self.unknown.push("s3:x-amz-copy-source");
        }
        Ok(Some(CopySource {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version: version.map(str::to_owned),
        }))
    }
}

/// Whether an object comes to be by an operation, with what the headers say of the object.
fn creates_object(operation: &Operation) -> bool {
    operation.level == Level::Object
        && matches!(
            (operation.method, operation.selector),
            ("PUT", "") | ("POST", "uploads")
        )
}

#[cfg(test)]
mod tests;
