//! The account export of AWS as a file of the bundle, as `aws iam
//! get-account-authorization-details` prints it.
//!
//! Fields that say nothing about permissions are passed over: the format is not ours, and AWS adds
//! to it.

use crate::model::{AccountId, Arn};
use crate::policy::directory::{Directory, Group, Identity, ManagedPolicy, Reference, Role, User};
use crate::policy::findings::Findings;
use crate::policy::node::{Node, Value};
use crate::policy::{Keys, Policy, PolicyKind, json};
use percent_encoding::percent_decode_str;
use std::sync::Arc;

const LISTS: &[&str] = &[
    "UserDetailList",
    "GroupDetailList",
    "RoleDetailList",
    "Policies",
];

/// Whether a document is an account export.
pub(super) fn is_export(node: &Node) -> bool {
    node.member("apiVersion").is_none() && LISTS.iter().any(|list| node.member(list).is_some())
}

/// Reads an export into the directory.
pub(super) fn read(node: &Node, directory: &mut Directory, keys: &Keys, findings: &mut Findings) {
    if let Some(truncated) = node.member("IsTruncated")
        && truncated.value != Value::Bool(false)
    {
        let hint = "let the command run through all pages";
        let message = "the export is cut: identities or policies are missing";
        findings.error_with_hint("BND-9", truncated.mark, message, hint);
    }
    let mut export = Export { keys, findings };
    for item in export.list(node, "UserDetailList") {
        directory.users.extend(export.user(item));
    }
    for item in export.list(node, "GroupDetailList") {
        directory.groups.extend(export.group(item));
    }
    for item in export.list(node, "RoleDetailList") {
        directory.roles.extend(export.role(item));
    }
    for item in export.list(node, "Policies") {
        directory.policies.extend(export.policy(item));
    }
}

struct Export<'a> {
    keys: &'a Keys,
    findings: &'a mut Findings,
}

impl Export<'_> {
    /// The list under `name`; empty when it is not there, a fault when it is something else.
    fn list<'n>(&mut self, node: &'n Node, name: &str) -> &'n [Node] {
        let Some(member) = node.member(name) else {
            return &[];
        };
        member.items().unwrap_or_else(|| {
            let message = format!("`{name}` is a list, not {}", member.kind());
            self.findings.error("BND-5", member.mark, message);
            &[]
        })
    }

    fn text<'n>(&mut self, node: &'n Node, name: &str) -> Option<&'n str> {
        let text = node.member(name).and_then(Node::text);
        if text.is_none() {
            self.findings
                .error("BND-4", node.mark, format!("`{name}` is missing"));
        }
        text
    }

    fn arn(&mut self, node: &Node) -> Option<(Arn, AccountId)> {
        let text = self.text(node, "Arn")?;
        let arn = Arn::parse(text).ok();
        let found = arn.and_then(|arn| arn.account().map(|account| (arn, account)));
        if found.is_none() {
            let message = format!("`{text}` is not the ARN of an identity");
            self.findings.error("BND-5", node.mark, message);
        }
        found
    }

    fn identity(&mut self, node: &Node, name: &str, inline: &str) -> Option<Identity> {
        let (arn, account) = self.arn(node)?;
        let name = self.text(node, name)?.to_owned();
        let mut policies = Vec::new();
        for item in self.list(node, inline) {
            let policy_name = self.text(item, "PolicyName").map(str::to_owned);
            let policy = self.document(item, "PolicyDocument", PolicyKind::Identity);
            policies.extend(policy_name.zip(policy));
        }
        let mut attached = Vec::new();
        for item in self.list(node, "AttachedManagedPolicies") {
            attached.extend(self.reference(item, "PolicyArn"));
        }
        let boundary = node
            .member("PermissionsBoundary")
            .and_then(|boundary| self.reference(boundary, "PermissionsBoundaryArn"));
        let id = ["UserId", "RoleId", "GroupId"]
            .iter()
            .find_map(|id| node.member(id));
        let mut tags = Vec::new();
        for tag in self.list(node, "Tags") {
            let pair = self.text(tag, "Key").zip(self.text(tag, "Value"));
            tags.extend(pair.map(|(key, value)| (key.to_owned(), value.to_owned())));
        }
        Some(Identity {
            place: self.findings.place(node.mark),
            account,
            name,
            arn,
            unique_id: id.and_then(Node::text).map(str::to_owned),
            tags,
            attached,
            inline: policies,
            boundary,
        })
    }

    fn reference(&mut self, node: &Node, name: &str) -> Option<Reference> {
        let text = self.text(node, name)?.to_owned();
        Some(Reference {
            place: self.findings.place(node.mark),
            text,
        })
    }

    fn user(&mut self, node: &Node) -> Option<User> {
        let identity = self.identity(node, "UserName", "UserPolicyList")?;
        let place = self.findings.place(node.mark);
        let mut groups = Vec::new();
        for item in self.list(node, "GroupList") {
            let Some(text) = item.text() else {
                let message = format!("a group is named by a string, not {}", item.kind());
                self.findings.error("BND-5", item.mark, message);
                continue;
            };
            groups.push(Reference {
                place: place.clone(),
                text: text.to_owned(),
            });
        }
        Some(User {
            identity,
            groups,
            access_keys: Vec::new(),
            mfa_devices: Vec::new(),
        })
    }

    fn group(&mut self, node: &Node) -> Option<Group> {
        self.identity(node, "GroupName", "GroupPolicyList")
            .map(|identity| Group { identity })
    }

    fn role(&mut self, node: &Node) -> Option<Role> {
        let identity = self.identity(node, "RoleName", "RolePolicyList");
        let trust = self.document(node, "AssumeRolePolicyDocument", PolicyKind::Trust);
        let identity = identity?;
        // EV-38: the exemption follows a flag, which an export has not, and never a path.
        Some(Role {
            identity,
            trust: trust?,
            max_session_s: 3_600,
            service_linked: false,
        })
    }

    fn policy(&mut self, node: &Node) -> Option<ManagedPolicy> {
        let text = self.text(node, "Arn")?;
        let Ok(arn) = Arn::parse(text) else {
            self.findings.error(
                "BND-5",
                node.mark,
                format!("`{text}` is not the ARN of a policy"),
            );
            return None;
        };
        let name = self.text(node, "PolicyName")?.to_owned();
        let is_default = |version: &&Node| {
            version
                .member("IsDefaultVersion")
                .is_some_and(|flag| flag.value == Value::Bool(true))
        };
        let Some(version) = self.list(node, "PolicyVersionList").iter().find(is_default) else {
            let message = format!("the policy `{name}` has no default version");
            self.findings.error("BND-4", node.mark, message);
            return None;
        };
        let policy = self.document(version, "Document", PolicyKind::Identity)?;
        let place = self.findings.place(node.mark);
        Some(ManagedPolicy {
            place,
            account: arn.account(),
            name,
            arn,
            policy,
        })
    }

    /// A document as an object, or as the URL-encoded JSON that the API itself sends.
    fn document(&mut self, node: &Node, name: &str, kind: PolicyKind) -> Option<Arc<Policy>> {
        let Some(document) = node.member(name) else {
            self.findings
                .error("BND-4", node.mark, format!("`{name}` is missing"));
            return None;
        };
        let Some(encoded) = document.text() else {
            return Policy::parse(document, kind, self.keys, self.findings).map(Arc::new);
        };
        let mut inner = self.findings.inside(document.mark);
        let text = if encoded.trim_start().starts_with('{') {
            Ok(encoded.into())
        } else {
            percent_decode_str(encoded).decode_utf8()
        };
        let policy = match text {
            Err(_) => {
                inner.error(
                    "BND-1",
                    document.mark,
                    "the document is not URL-encoded UTF-8",
                );
                None
            }
            Ok(text) => match json::parse(&text) {
                Ok(parsed) => Policy::parse(&parsed, kind, self.keys, &mut inner),
                Err(fault) => {
                    inner.syntax(fault);
                    None
                }
            },
        };
        self.findings.extend(inner.into_list());
        policy.map(Arc::new)
    }
}
