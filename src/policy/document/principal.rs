//! `Principal` and `NotPrincipal` (PRI-1 to PRI-13).

use crate::model::{AccountId, Arn};
use crate::policy::document::PolicyKind;
use crate::policy::findings::Findings;
use crate::policy::node::Mark;

/// One entry of a principal element (PRI-2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrincipalEntry {
    /// `*`: everyone, anonymous callers included.
    Everyone,
    /// A whole account, by its id or the ARN of its root.
    Account {
        /// The partition, when the ARN form was written.
        partition: Option<String>,
        /// The account.
        account: AccountId,
    },
    /// One IAM user.
    User(Arn),
    /// One role: every session of it.
    Role(Arn),
    /// One session of a role.
    RoleSession(Arn),
    /// One federated user.
    FederatedUser(Arn),
    /// A service that acts as itself.
    Service(String),
    /// Whoever an identity provider vouches for.
    Federated(String),
    /// An account by its storage canonical id, in lower case.
    CanonicalUser(String),
    /// The unique id of an identity that was deleted: matches nobody (PRI-6).
    UniqueId(String),
}

impl PrincipalEntry {
    /// The members of a principal element (PRI-1).
    pub(super) const MEMBERS: &[&str] = &["AWS", "Service", "Federated", "CanonicalUser"];

    /// Reads one entry of the member `member` (`AWS`, `Service`, …).
    pub(super) fn parse(
        member: &str,
        text: &str,
        kind: PolicyKind,
        mark: Mark,
        findings: &mut Findings,
    ) -> Option<Self> {
        if text.contains("${") {
            findings.error(
                "PRI-5",
                mark,
                format!("`{text}`: a principal may not hold variables"),
            );
            return None;
        }
        if text == "*" && member == "AWS" {
            return Some(Self::Everyone);
        }
        if text.contains(['*', '?']) {
            let message = format!("`{text}`: a principal may not hold wildcards");
            let hint = if member == "AWS" {
                "name each principal, or `*` with a condition on `aws:PrincipalArn`"
            } else {
                "name each one"
            };
            findings.error_with_hint("PRI-3", mark, message, hint);
            return None;
        }
        match member {
            "AWS" => Self::aws(text, mark, findings),
            "Service" => Self::service(text, mark, findings),
            "Federated" => Self::federated(text, kind, mark, findings),
            "CanonicalUser" => Self::canonical_user(text, kind, mark, findings),
            _ => {
                let message = format!("`{member}` is not a kind of principal");
                let hint = "`AWS`, `Service`, `Federated` and `CanonicalUser` exist";
                findings.error_with_hint("PRI-1", mark, message, hint);
                None
            }
        }
    }

    fn aws(text: &str, mark: Mark, findings: &mut Findings) -> Option<Self> {
        if let Ok(account) = AccountId::parse(text) {
            return Some(Self::Account {
                partition: None,
                account,
            });
        }
        if is_unique_id(text) {
            let message = format!("`{text}` is the id of a deleted identity and matches nobody");
            findings.warning("PRI-6", mark, message);
            return Some(Self::UniqueId(text.to_owned()));
        }
        let entry = Arn::parse(text).ok().and_then(Self::identity);
        if entry.is_none() {
            let message = format!("`{text}` is not a principal");
            let hint = if text.contains(":group/") {
                "a group cannot be a principal: name its users, or attach the policy to the group"
            } else {
                "an account id, or the ARN of a user, role, role session, federated user or root"
            };
            let rule = if text.starts_with("arn:") {
                "PRI-4"
            } else {
                "PRI-2"
            };
            findings.error_with_hint(rule, mark, message, hint);
        }
        entry
    }

    fn identity(arn: Arn) -> Option<Self> {
        let account = arn.account().filter(|_| arn.region().is_empty())?;
        let named = |kind: &str| arn.is_identity(kind);
        match arn.service() {
            "iam" if arn.resource() == "root" => Some(Self::Account {
                partition: Some(arn.partition().to_owned()),
                account,
            }),
            "iam" if named("user") => Some(Self::User(arn)),
            "iam" if named("role") => Some(Self::Role(arn)),
            "sts" if named("federated-user") => Some(Self::FederatedUser(arn)),
            "sts" if named("assumed-role") => {
                let parts = arn.resource().split('/').count();
                (parts == 3).then_some(Self::RoleSession(arn))
            }
            _ => None,
        }
    }

    fn service(text: &str, mark: Mark, findings: &mut Findings) -> Option<Self> {
        let label = |label: &str| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        if text.contains('.') && text.split('.').all(label) {
            return Some(Self::Service(text.to_owned()));
        }
        let message = format!("`{text}` is not a service principal");
        findings.error_with_hint("PRI-2", mark, message, "write `name.domain`");
        None
    }

    fn federated(
        text: &str,
        kind: PolicyKind,
        mark: Mark,
        findings: &mut Findings,
    ) -> Option<Self> {
        if kind != PolicyKind::Trust {
            let message = "`Federated` principals stand in trust policies alone";
            findings.error("PRI-7", mark, message);
            return None;
        }
        let provider = Arn::parse(text).is_ok_and(|arn| {
            arn.service() == "iam"
                && (arn.resource_after("oidc-provider").is_some()
                    || arn.resource_after("saml-provider").is_some())
        });
        let host = text.contains('.')
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'/' | b'_'));
        if provider || host {
            return Some(Self::Federated(text.to_owned()));
        }
        let message = format!("`{text}` is not an identity provider");
        let hint = "the ARN of an OIDC or SAML provider, or the host of a built-in one";
        findings.error_with_hint("PRI-2", mark, message, hint);
        None
    }

    fn canonical_user(
        text: &str,
        kind: PolicyKind,
        mark: Mark,
        findings: &mut Findings,
    ) -> Option<Self> {
        if kind != PolicyKind::Resource {
            let message = "`CanonicalUser` stands in policies of resources with ACLs alone";
            findings.error("PRI-7", mark, message);
            return None;
        }
        if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Some(Self::CanonicalUser(text.to_ascii_lowercase()));
        }
        let message = format!("`{text}` is not a canonical id: 64 hexadecimal digits are needed");
        findings.error("PRI-2", mark, message);
        None
    }
}

/// Unique ids are four letters that name the kind, and at least twelve letters and digits.
fn is_unique_id(text: &str) -> bool {
    let upper = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    (16..=128).contains(&text.len()) && text.starts_with('A') && text.bytes().all(upper)
}
