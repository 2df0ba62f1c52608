//! The headers of S3: which become condition keys, which are known, and which could make another
//! request of one.

use super::super::error::MappingError;
use crate::model::HttpCall;

/// Headers whose values are condition keys of the same name behind `s3:`.
pub(super) const HEADER_KEYS: [&str; 17] = [
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
pub(super) const LOCK_KEYS: [&str; 5] = [
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-object-lock-legal-hold",
    "x-amz-object-lock-event-hold",
    "x-amz-object-lock-event-hold-duration-days",
];

/// A duration that has a condition key in days alone.
pub(super) const YEARS: &str = "x-amz-object-lock-event-hold-duration-years";

/// The condition keys of [`HEADER_KEYS`], in the same order.
pub(super) const KEYS_OF_HEADERS: [&str; 17] = [
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
pub(super) const KEYS_OF_LOCKS: [&str; 5] = [
    "s3:object-lock-mode",
    "s3:object-lock-retain-until-date",
    "s3:object-lock-legal-hold",
    "s3:object-lock-event-hold",
    "s3:object-lock-event-hold-duration-days",
];

/// Parameters of the query whose values are condition keys of the same name behind `s3:`.
pub(super) const QUERY_KEYS: [&str; 5] = [
    "annotation-prefix",
    "delimiter",
    "max-annotation-results",
    "max-keys",
    "prefix",
];

/// What may be said under names that begin with `x-amz-`, by header or by a signed address in the
/// place of one; beyond those that are condition keys. Whatever else begins so could be another
/// operation to the upstream.
pub(super) const KNOWN: [&str; 55] = [
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
pub(super) const OF_STORES: [&str; 7] = [
    "seaweed-",
    "x-auth-token",
    "x-minio-",
    "x-rgw-",
    "x-rustfs-",
    "x-seaweedfs-",
    "x-storage-token",
];

pub(super) fn is_known(name: &str) -> bool {
    // Archives that a store unpacks into many objects.
    let unpacks = name.contains("snowball") || name.starts_with("x-amz-meta-minio");
    HEADER_KEYS.contains(&name)
        || LOCK_KEYS.contains(&name)
        || KNOWN.contains(&name)
        || (name.starts_with("x-amz-meta-") && !unpacks)
}

/// Refuses headers that nobody knows.
pub(super) fn check_headers(call: &HttpCall) -> Result<(), MappingError> {
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
