//! What every service with the protocol of S3 has: its resource types and condition keys.

use crate::model::ContextKey;
use crate::policy::node::Mark;
use crate::policy::resource_record::Permission;
use crate::policy::{
    ActionPattern, Cardinality, ConditionKeyType, Findings, PolicyOwner, ResourceType,
    TypeDelegation,
};
use std::collections::BTreeMap;

/// Buckets, and the objects in them, whose resource policy is their bucket's.
pub(super) fn resource_types() -> BTreeMap<String, ResourceType> {
    let of = |arn: &str, policy, acl: &[(Permission, &[&str])]| ResourceType {
        arn: arn.to_owned(),
        policy,
        delegation: TypeDelegation::Default,
        resource_control: true,
        acl: acl
            .iter()
            .map(|(permission, actions)| (*permission, patterns(actions)))
            .collect(),
    };
    let bucket = of(
        "arn:${Partition}:s3:::${Bucket}",
        PolicyOwner::Own,
        &[
            (
                Permission::Read,
                &[
                    "s3:ListBucket",
                    "s3:ListBucketVersions",
                    "s3:ListBucketMultipartUploads",
                ],
            ),
            (Permission::ReadAcp, &["s3:GetBucketAcl"]),
            (Permission::WriteAcp, &["s3:PutBucketAcl"]),
        ],
    );
    let object = of(
        "arn:${Partition}:s3:::${Bucket}/${Key}",
        PolicyOwner::Parent("bucket".to_owned()),
        &[
            (Permission::Read, &["s3:GetObject", "s3:GetObjectVersion"]),
            (
                Permission::ReadAcp,
                &["s3:GetObjectAcl", "s3:GetObjectVersionAcl"],
            ),
            (
                Permission::WriteAcp,
                &["s3:PutObjectAcl", "s3:PutObjectVersionAcl"],
            ),
        ],
    );
    BTreeMap::from([("bucket".to_owned(), bucket), ("object".to_owned(), object)])
}

fn patterns(actions: &[&str]) -> Vec<ActionPattern> {
    let mut silent = Findings::new("");
    actions
        .iter()
        .filter_map(|action| ActionPattern::parse(action, Mark::START, &mut silent))
        .collect()
}

/// The condition keys of S3 with their types; one that ends in a slash is a family.
pub(super) fn condition_keys() -> Vec<(ContextKey, ConditionKeyType)> {
    let of = |kind: &'static str, names: &[&str]| -> Vec<(ContextKey, ConditionKeyType)> {
        let cardinality = match kind {
            "set" => Cardinality::Multiple,
            _ => Cardinality::Single,
        };
        let name = if kind == "set" { "string" } else { kind };
        names
            .iter()
            .map(|key| (ContextKey::new(key), ConditionKeyType { name, cardinality }))
            .collect()
    };
    let texts = [
        "s3:AccessPointNetworkOrigin",
        "s3:AccessPointTag/",
        "s3:BucketTag/",
        "s3:DataAccessPointAccount",
        "s3:ExistingObjectTag/",
        "s3:LocationConstraint",
        "s3:RequestObjectTag/",
        "s3:ResourceAccount",
        "s3:VersionId",
        "s3:annotation-prefix",
        "s3:authType",
        "s3:delimiter",
        "s3:if-match",
        "s3:if-none-match",
        "s3:object-lock-event-hold",
        "s3:object-lock-legal-hold",
        "s3:object-lock-mode",
        "s3:prefix",
        "s3:signatureversion",
        "s3:x-amz-acl",
        "s3:x-amz-bucket-namespace",
        "s3:x-amz-content-sha256",
        "s3:x-amz-copy-source",
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
        "s3:x-amz-server-side-encryption-customer-algorithm",
        "s3:x-amz-storage-class",
        "s3:x-amz-website-redirect-location",
    ];
    let numbers = [
        "s3:TlsVersion",
        "s3:max-annotation-results",
        "s3:max-keys",
        "s3:object-lock-event-hold-duration-days",
        "s3:object-lock-remaining-retention-days",
        "s3:signatureAge",
    ];
    let arns = [
        "s3:AccessGrantsInstanceArn",
        "s3:DataAccessPointArn",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
    ];
    let mut keys = of("string", &texts);
    keys.extend(of("numeric", &numbers));
    keys.extend(of("arn", &arns));
    keys.extend(of("date", &["s3:object-lock-retain-until-date"]));
    keys.extend(of(
        "bool",
        &["s3:ObjectCreationOperation", "s3:isReplicationPauseRequest"],
    ));
    keys.extend(of(
        "set",
        &[
            "s3:InventoryAccessibleOptionalFields",
            "s3:RequestObjectTagKeys",
        ],
    ));
    keys
}
