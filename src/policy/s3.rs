//! The operations of S3: how each is recognised, and the actions that it is.

/// What a request is addressed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The store as a whole.
    Service,
    /// A bucket.
    Bucket,
    /// An object.
    Object,
}

/// One operation.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// The method.
    pub method: &'static str,
    /// What it is addressed to.
    pub level: Level,
    /// The sub-resource: the name in the query that selects the operation; empty for none.
    pub selector: &'static str,
    /// Names that have to be in the query as well.
    pub needs: &'static [&'static str],
    /// Names that may be in the query.
    pub may_have: &'static [&'static str],
    /// The actions that it is.
    pub actions: &'static [&'static str],
    /// The actions that it is when the query names a version; empty where those are the same.
    pub of_version: &'static [&'static str],
}

const fn of(
    method: &'static str,
    level: Level,
    selector: &'static str,
    needs: &'static [&'static str],
    may_have: &'static [&'static str],
    actions: &'static [&'static str],
    of_version: &'static [&'static str],
) -> Operation {
    Operation {
        method,
        level,
        selector,
        needs,
        may_have,
        actions,
        of_version,
    }
}

/// Actions that depend on what a request carries, beyond those of its operation.
pub const BY_CONTENT: &[&str] = &[
    "s3:BypassGovernanceRetention",
    "s3:PutBucketAcl",
    "s3:PutBucketObjectLockConfiguration",
    "s3:PutBucketOwnershipControls",
    "s3:PutBucketVersioning",
    "s3:PutObjectAcl",
    "s3:PutObjectLegalHold",
    "s3:PutObjectRetention",
    "s3:PutObjectTagging",
    "s3:TagResource",
];

/// The sub-resources that every store knows. One that a store does not know is no sub-resource to
/// it: it does what the method does without, so that both are asked for (see [`falls_through`]).
const KNOWN_EVERYWHERE: &[(Level, &[&str])] = &[
    (
        Level::Bucket,
        &[
            "acl",
            "cors",
            "delete",
            "encryption",
            "lifecycle",
            "location",
            "notification",
            "object-lock",
            "policy",
            "replication",
            "tagging",
            "uploads",
            "versioning",
            "versions",
            "website",
        ],
    ),
    (
        Level::Object,
        &[
            "acl",
            "legal-hold",
            "retention",
            "tagging",
            "uploadId",
            "uploads",
        ],
    ),
];

/// What a store that does not know the sub-resource of an operation would do in its place.
#[must_use]
pub fn falls_through(operation: &Operation) -> Option<&'static Operation> {
    let known = KNOWN_EVERYWHERE.iter();
    let mut known = known.filter(|(level, _)| *level == operation.level);
    let is_known = known.any(|(_, names)| names.contains(&operation.selector));
    let is_plain = |other: &&Operation| {
        other.selector.is_empty()
            && other.method == operation.method
            && other.level == operation.level
    };
    if operation.selector.is_empty() || is_known {
        return None;
    }
    OPERATIONS.iter().find(is_plain)
}

/// Every operation. Where several have one method, level and selector, the first whose needs are
/// met is the one.
///
/// # Source
///
/// The S3 API reference for the requests, and its page on required permissions together with the
/// Service Authorization Reference for the actions.
#[rustfmt::skip]
pub const OPERATIONS: &[Operation] = &[
    of("GET", Level::Service, "", &[], &["bucket-region", "continuation-token", "max-buckets", "prefix"], &["s3:ListAllMyBuckets"], &[]),
    of("DELETE", Level::Bucket, "", &[], &[], &["s3:DeleteBucket"], &[]),
    of("GET", Level::Bucket, "", &[], &["continuation-token", "delimiter", "encoding-type", "fetch-owner", "list-type", "marker", "max-keys", "prefix", "start-after"], &["s3:ListBucket"], &[]),
    of("HEAD", Level::Bucket, "", &[], &[], &["s3:ListBucket"], &[]),
    of("PUT", Level::Bucket, "", &[], &[], &["s3:CreateBucket"], &[]),
    of("GET", Level::Bucket, "abac", &[], &[], &["s3:GetBucketAbac"], &[]),
    of("PUT", Level::Bucket, "abac", &[], &[], &["s3:PutBucketAbac"], &[]),
    of("GET", Level::Bucket, "accelerate", &[], &[], &["s3:GetAccelerateConfiguration"], &[]),
    of("PUT", Level::Bucket, "accelerate", &[], &[], &["s3:PutAccelerateConfiguration"], &[]),
    of("GET", Level::Bucket, "acl", &[], &[], &["s3:GetBucketAcl"], &[]),
    of("PUT", Level::Bucket, "acl", &[], &[], &["s3:PutBucketAcl"], &[]),
    of("DELETE", Level::Bucket, "analytics", &[], &["id"], &["s3:PutAnalyticsConfiguration"], &[]),
    of("GET", Level::Bucket, "analytics", &[], &["continuation-token", "id"], &["s3:GetAnalyticsConfiguration"], &[]),
    of("PUT", Level::Bucket, "analytics", &[], &["id"], &["s3:PutAnalyticsConfiguration"], &[]),
    of("DELETE", Level::Bucket, "cors", &[], &[], &["s3:PutBucketCORS"], &[]),
    of("GET", Level::Bucket, "cors", &[], &[], &["s3:GetBucketCORS"], &[]),
    of("PUT", Level::Bucket, "cors", &[], &[], &["s3:PutBucketCORS"], &[]),
    of("POST", Level::Bucket, "delete", &[], &[], &["s3:DeleteObject"], &[]),
    of("DELETE", Level::Bucket, "encryption", &[], &[], &["s3:PutEncryptionConfiguration"], &[]),
    of("GET", Level::Bucket, "encryption", &[], &[], &["s3:GetEncryptionConfiguration"], &[]),
    of("PUT", Level::Bucket, "encryption", &[], &[], &["s3:PutEncryptionConfiguration"], &[]),
    of("DELETE", Level::Bucket, "intelligent-tiering", &[], &["id"], &["s3:PutIntelligentTieringConfiguration"], &[]),
    of("GET", Level::Bucket, "intelligent-tiering", &[], &["continuation-token", "id"], &["s3:GetIntelligentTieringConfiguration"], &[]),
    of("PUT", Level::Bucket, "intelligent-tiering", &[], &["id"], &["s3:PutIntelligentTieringConfiguration"], &[]),
    of("DELETE", Level::Bucket, "inventory", &[], &["id"], &["s3:PutInventoryConfiguration"], &[]),
    of("GET", Level::Bucket, "inventory", &[], &["continuation-token", "id"], &["s3:GetInventoryConfiguration"], &[]),
    of("PUT", Level::Bucket, "inventory", &[], &["id"], &["s3:PutInventoryConfiguration"], &[]),
    of("DELETE", Level::Bucket, "lifecycle", &[], &[], &["s3:PutLifecycleConfiguration"], &[]),
    of("GET", Level::Bucket, "lifecycle", &[], &[], &["s3:GetLifecycleConfiguration"], &[]),
    of("PUT", Level::Bucket, "lifecycle", &[], &[], &["s3:PutLifecycleConfiguration"], &[]),
    of("GET", Level::Bucket, "location", &[], &[], &["s3:GetBucketLocation"], &[]),
    of("GET", Level::Bucket, "logging", &[], &[], &["s3:GetBucketLogging"], &[]),
    of("PUT", Level::Bucket, "logging", &[], &[], &["s3:PutBucketLogging"], &[]),
    of("PUT", Level::Bucket, "metadataAnnotationTable", &[], &[], &["s3:UpdateBucketMetadataAnnotationTableConfiguration"], &[]),
    of("DELETE", Level::Bucket, "metadataConfiguration", &[], &[], &["s3:DeleteBucketMetadataTableConfiguration"], &[]),
    of("GET", Level::Bucket, "metadataConfiguration", &[], &[], &["s3:GetBucketMetadataTableConfiguration"], &[]),
    of("POST", Level::Bucket, "metadataConfiguration", &[], &[], &["s3:CreateBucketMetadataTableConfiguration"], &[]),
    of("PUT", Level::Bucket, "metadataInventoryTable", &[], &[], &["s3:UpdateBucketMetadataInventoryTableConfiguration"], &[]),
    of("PUT", Level::Bucket, "metadataJournalTable", &[], &[], &["s3:UpdateBucketMetadataJournalTableConfiguration"], &[]),
    of("DELETE", Level::Bucket, "metadataTable", &[], &[], &["s3:DeleteBucketMetadataTableConfiguration"], &[]),
    of("GET", Level::Bucket, "metadataTable", &[], &[], &["s3:GetBucketMetadataTableConfiguration"], &[]),
    of("POST", Level::Bucket, "metadataTable", &[], &[], &["s3:CreateBucketMetadataTableConfiguration"], &[]),
    of("DELETE", Level::Bucket, "metrics", &[], &["id"], &["s3:PutMetricsConfiguration"], &[]),
    of("GET", Level::Bucket, "metrics", &[], &["continuation-token", "id"], &["s3:GetMetricsConfiguration"], &[]),
    of("PUT", Level::Bucket, "metrics", &[], &["id"], &["s3:PutMetricsConfiguration"], &[]),
    of("GET", Level::Bucket, "notification", &[], &[], &["s3:GetBucketNotification"], &[]),
    of("PUT", Level::Bucket, "notification", &[], &[], &["s3:PutBucketNotification"], &[]),
    of("GET", Level::Bucket, "object-lock", &[], &[], &["s3:GetBucketObjectLockConfiguration"], &[]),
    of("PUT", Level::Bucket, "object-lock", &[], &[], &["s3:PutBucketObjectLockConfiguration"], &[]),
    of("DELETE", Level::Bucket, "ownershipControls", &[], &[], &["s3:PutBucketOwnershipControls"], &[]),
    of("GET", Level::Bucket, "ownershipControls", &[], &[], &["s3:GetBucketOwnershipControls"], &[]),
    of("PUT", Level::Bucket, "ownershipControls", &[], &[], &["s3:PutBucketOwnershipControls"], &[]),
    of("DELETE", Level::Bucket, "policy", &[], &[], &["s3:DeleteBucketPolicy"], &[]),
    of("GET", Level::Bucket, "policy", &[], &[], &["s3:GetBucketPolicy"], &[]),
    of("PUT", Level::Bucket, "policy", &[], &[], &["s3:PutBucketPolicy"], &[]),
    of("GET", Level::Bucket, "policyStatus", &[], &[], &["s3:GetBucketPolicyStatus"], &[]),
    of("DELETE", Level::Bucket, "publicAccessBlock", &[], &[], &["s3:PutBucketPublicAccessBlock"], &[]),
    of("GET", Level::Bucket, "publicAccessBlock", &[], &[], &["s3:GetBucketPublicAccessBlock"], &[]),
    of("PUT", Level::Bucket, "publicAccessBlock", &[], &[], &["s3:PutBucketPublicAccessBlock"], &[]),
    of("DELETE", Level::Bucket, "replication", &[], &[], &["s3:PutReplicationConfiguration"], &[]),
    of("GET", Level::Bucket, "replication", &[], &[], &["s3:GetReplicationConfiguration"], &[]),
    of("PUT", Level::Bucket, "replication", &[], &[], &["s3:PutReplicationConfiguration"], &[]),
    of("GET", Level::Bucket, "requestPayment", &[], &[], &["s3:GetBucketRequestPayment"], &[]),
    of("PUT", Level::Bucket, "requestPayment", &[], &[], &["s3:PutBucketRequestPayment"], &[]),
    of("DELETE", Level::Bucket, "tagging", &[], &[], &["s3:PutBucketTagging"], &[]),
    of("GET", Level::Bucket, "tagging", &[], &[], &["s3:GetBucketTagging"], &[]),
    of("PUT", Level::Bucket, "tagging", &[], &[], &["s3:PutBucketTagging"], &[]),
    of("GET", Level::Bucket, "uploads", &[], &["delimiter", "encoding-type", "key-marker", "max-uploads", "prefix", "upload-id-marker"], &["s3:ListBucketMultipartUploads"], &[]),
    of("GET", Level::Bucket, "versioning", &[], &[], &["s3:GetBucketVersioning"], &[]),
    of("PUT", Level::Bucket, "versioning", &[], &[], &["s3:PutBucketVersioning"], &[]),
    of("GET", Level::Bucket, "versions", &[], &["delimiter", "encoding-type", "key-marker", "max-keys", "prefix", "version-id-marker"], &["s3:ListBucketVersions"], &[]),
    of("DELETE", Level::Bucket, "website", &[], &[], &["s3:DeleteBucketWebsite"], &[]),
    of("GET", Level::Bucket, "website", &[], &[], &["s3:GetBucketWebsite"], &[]),
    of("PUT", Level::Bucket, "website", &[], &[], &["s3:PutBucketWebsite"], &[]),
    of("DELETE", Level::Object, "", &[], &["versionId"], &["s3:DeleteObject"], &["s3:DeleteObjectVersion"]),
    of("GET", Level::Object, "", &[], &["partNumber", "response-cache-control", "response-content-disposition", "response-content-encoding", "response-content-language", "response-content-type", "response-expires", "versionId"], &["s3:GetObject"], &["s3:GetObjectVersion"]),
    of("HEAD", Level::Object, "", &[], &["partNumber", "response-cache-control", "response-content-disposition", "response-content-encoding", "response-content-language", "response-content-type", "response-expires", "versionId"], &["s3:GetObject"], &["s3:GetObjectVersion"]),
    of("PUT", Level::Object, "", &[], &[], &["s3:PutObject"], &[]),
    of("GET", Level::Object, "acl", &[], &["versionId"], &["s3:GetObjectAcl"], &["s3:GetObjectVersionAcl"]),
    of("PUT", Level::Object, "acl", &[], &["versionId"], &["s3:PutObjectAcl"], &["s3:PutObjectVersionAcl"]),
    of("DELETE", Level::Object, "annotation", &["annotationName"], &["versionId"], &["s3:DeleteObjectAnnotation"], &["s3:DeleteObjectVersionAnnotation"]),
    of("GET", Level::Object, "annotation", &["annotationName"], &["versionId"], &["s3:GetObjectAnnotation"], &["s3:GetObjectVersionAnnotation"]),
    of("GET", Level::Object, "annotation", &[], &["annotation-prefix", "continuation-token", "max-annotation-results", "versionId"], &["s3:ListObjectAnnotations"], &["s3:ListObjectVersionAnnotations"]),
    of("PUT", Level::Object, "annotation", &["annotationName"], &["versionId"], &["s3:PutObjectAnnotation"], &["s3:PutObjectVersionAnnotation"]),
    of("GET", Level::Object, "attributes", &[], &["versionId"], &["s3:GetObject", "s3:GetObjectAttributes"], &["s3:GetObjectVersion", "s3:GetObjectVersionAttributes"]),
    of("PUT", Level::Object, "encryption", &[], &["versionId"], &["s3:UpdateObjectEncryption"], &[]),
    of("GET", Level::Object, "legal-hold", &[], &["versionId"], &["s3:GetObjectLegalHold"], &[]),
    of("PUT", Level::Object, "legal-hold", &[], &["versionId"], &["s3:PutObjectLegalHold"], &[]),
    of("POST", Level::Object, "restore", &[], &["versionId"], &["s3:RestoreObject"], &[]),
    of("GET", Level::Object, "retention", &[], &["versionId"], &["s3:GetObjectRetention"], &[]),
    of("PUT", Level::Object, "retention", &[], &["versionId"], &["s3:PutObjectRetention"], &[]),
    of("POST", Level::Object, "select", &["select-type"], &[], &["s3:GetObject"], &[]),
    of("DELETE", Level::Object, "tagging", &[], &["versionId"], &["s3:DeleteObjectTagging"], &["s3:DeleteObjectVersionTagging"]),
    of("GET", Level::Object, "tagging", &[], &["versionId"], &["s3:GetObjectTagging"], &["s3:GetObjectVersionTagging"]),
    of("PUT", Level::Object, "tagging", &[], &["versionId"], &["s3:PutObjectTagging"], &["s3:PutObjectVersionTagging"]),
    of("DELETE", Level::Object, "uploadId", &[], &[], &["s3:AbortMultipartUpload"], &[]),
    of("GET", Level::Object, "uploadId", &[], &["max-parts", "part-number-marker"], &["s3:ListMultipartUploadParts"], &[]),
    of("POST", Level::Object, "uploadId", &[], &[], &["s3:PutObject"], &[]),
    of("PUT", Level::Object, "uploadId", &["partNumber"], &[], &["s3:PutObject"], &[]),
    of("POST", Level::Object, "uploads", &[], &[], &["s3:PutObject"], &[]),
];
