//! What a request to S3 says beside its operation: condition keys, further actions, and where a copy
//! comes from.

use super::super::body::{BodyFault, plain};
use super::super::error::{MappingError, ResourceFault};
use super::super::query::{Query, QueryFault};
use super::headers::{HEADER_KEYS, KEYS_OF_HEADERS, KEYS_OF_LOCKS, LOCK_KEYS, QUERY_KEYS, YEARS};
use super::{is_bucket, xml};
use crate::model::{Body, HttpCall, percent};
use crate::policy::PathMode;
use crate::policy::s3::{Level, Operation};
use smallvec::SmallVec;
use std::borrow::Cow;

/// What a request says, each part of it read once.
pub(super) struct Reader<'c> {
    pub(super) call: &'c HttpCall,
    pub(super) query: Query<'c>,
    /// Headers that stand in the query of a signed address, by their names in lower case.
    pub(super) hoisted: Vec<(String, Box<str>)>,
    pub(super) context: Vec<(Cow<'static, str>, Vec<Box<str>>)>,
    pub(super) unknown: Vec<&'static str>,
    pub(super) reads_body: bool,
    /// Beyond those that begin with `x-amz-`.
    pub(super) headers: Vec<&'static str>,
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
pub(super) struct CopySource {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) version: Option<String>,
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
    pub(super) fn version(&self, operation: &Operation) -> Result<Option<Box<str>>, MappingError> {
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
    pub(super) fn set_keys(&mut self, operation: &Operation) -> Result<(), MappingError> {
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
            return Err(MappingError::BadBody(BodyFault::TooLong));
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

    pub(super) fn bypasses(&mut self) -> Result<bool, MappingError> {
        let value = self.parameter("x-amz-bypass-governance-retention")?;
        if self.header("x-amz-bypass-governance-retention")?.is_some() {
            self.headers.push("x-amz-bypass-governance-retention");
        }
        Ok(value.is_some_and(|value| !value.eq_ignore_ascii_case("false")))
    }

    /// The actions that a request is beyond that of its operation, by what it carries.
    pub(super) fn extra_actions(
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
    pub(super) fn copy_source(
        &mut self,
        operation: &Operation,
    ) -> Result<Option<CopySource>, MappingError> {
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
