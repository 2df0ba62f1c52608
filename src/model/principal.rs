//! Who is calling.

use crate::model::{AccountId, Arn};

/// The caller of a request, as policies see it (CTX-2, CTX-3).
///
/// A group is an identity but never a principal, so there is no variant for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// Nobody: no credentials were presented.
    Anonymous,
    /// A service that acts as itself.
    Service {
        /// The name that policies use, such as `jobs.example.com`.
        name: String,
    },
    /// A caller that an identity provider vouches for, before a session exists.
    IdentityProvider {
        /// The ARN of the provider, or the host name of a built-in one.
        provider: String,
        /// The partition of the account in which the provider is registered.
        partition: String,
    },
    /// The root user of an account.
    Root {
        /// The ARN `arn:P:iam::ACCOUNT:root`.
        arn: Arn,
        /// Its account.
        account: AccountId,
        /// Whether this is a session of a central administrator acting as root.
        assumed: bool,
    },
    /// An IAM user, by its long-term keys or a session token of its own.
    User {
        /// The ARN with its path.
        arn: Arn,
        /// Its account.
        account: AccountId,
    },
    /// A session of a role.
    RoleSession {
        /// The ARN of the role, with its path.
        role: Arn,
        /// The ARN of the session, `arn:P:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
        session: Arn,
        /// The account of the role.
        account: AccountId,
        /// Whether the role belongs to a service (EV-38).
        service_linked: bool,
    },
    /// A session that an IAM user or the root user obtained for somebody outside.
    FederatedUser {
        /// The ARN `arn:P:sts::ACCOUNT:federated-user/NAME`.
        arn: Arn,
        /// Its account.
        account: AccountId,
        /// Who obtained the session.
        issuer: FederationIssuer,
    },
}

/// Who obtained a federated-user session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FederationIssuer {
    /// The root user of the account.
    Root,
    /// The IAM user with this ARN.
    User(Arn),
    /// Not recorded: no user entry of a policy matches.
    Unknown,
}

/// Why a text does not name a caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPrincipal {
    /// Not an ARN, or the ARN of something that cannot call.
    #[error("`{0}` is not the ARN of a caller")]
    NotACaller(String),
    /// The role that was given is not the one of the session.
    #[error("`{0}` is not the role of the session")]
    NotItsRole(String),
}

impl Principal {
    /// The caller that an ARN names: a root user, user, role session, federated user, or an
    /// identity provider on behalf of whoever it vouches for.
    ///
    /// The ARN of a session has no path, so `role` may give the ARN of its role; without it the
    /// role is taken to stand at the root path (PM-4).
    ///
    /// # Errors
    ///
    /// [`InvalidPrincipal`] when `text` names nobody who can call, or `role` another role.
    pub fn of_arn(text: &str, role: Option<&str>) -> Result<Self, InvalidPrincipal> {
        let nobody = || InvalidPrincipal::NotACaller(text.chars().take(256).collect());
        let arn = Arn::parse(text).map_err(|_| nobody())?;
        let account = arn.account().ok_or_else(nobody)?;
        match (arn.service(), arn.resource().split_once('/')) {
            ("iam", None) if arn.resource() == "root" && arn.region().is_empty() => {
                Ok(Self::Root {
                    arn,
                    account,
                    assumed: false,
                })
            }
            ("iam", Some(("user", _))) if arn.is_identity("user") => {
                Ok(Self::User { arn, account })
            }
            ("iam", Some(("oidc-provider" | "saml-provider", _))) => {
                let partition = arn.partition().to_owned();
                Ok(Self::IdentityProvider {
                    provider: text.to_owned(),
                    partition,
                })
            }
            ("sts", Some(("assumed-role", rest))) if arn.region().is_empty() => {
                // Neither name may be empty, and a session's holds no slash (ROLE-12).
                let (name, _) = rest
                    .split_once('/')
                    .filter(|(role, session)| {
                        !role.is_empty() && !session.is_empty() && !session.contains('/')
                    })
                    .ok_or_else(nobody)?;
                let role = if let Some(role) = role {
                    Arn::parse(role)
                        .ok()
                        .filter(|role| role.is_role() && role.name() == name)
                        .filter(|role| role.partition() == arn.partition())
                        .filter(|role| role.account() == Some(account))
                        .ok_or_else(|| InvalidPrincipal::NotItsRole(role.to_owned()))?
                } else {
                    let resource = format!("role/{name}");
                    Arn::of_identity(arn.partition(), "iam", account, &resource)
                        .map_err(|_| nobody())?
                };
                Ok(Self::RoleSession {
                    role,
                    session: arn,
                    account,
                    service_linked: false,
                })
            }
            ("sts", Some(("federated-user", _))) if arn.is_identity("federated-user") => {
                Ok(Self::FederatedUser {
                    arn,
                    account,
                    issuer: FederationIssuer::Unknown,
                })
            }
            _ => Err(nobody()),
        }
    }

    /// The account that the caller belongs to, if it belongs to one.
    #[must_use]
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Self::Anonymous | Self::Service { .. } | Self::IdentityProvider { .. } => None,
            Self::Root { account, .. }
            | Self::User { account, .. }
            | Self::RoleSession { account, .. }
            | Self::FederatedUser { account, .. } => Some(*account),
        }
    }

    /// The caller's own ARN; of a role session it is the session's.
    #[must_use]
    pub fn arn(&self) -> Option<&Arn> {
        match self {
            Self::Anonymous | Self::Service { .. } | Self::IdentityProvider { .. } => None,
            Self::Root { arn, .. } | Self::User { arn, .. } | Self::FederatedUser { arn, .. } => {
                Some(arn)
            }
            Self::RoleSession { session, .. } => Some(session),
        }
    }

    /// The value of `aws:PrincipalArn`: the role's ARN for a session of it (KEY-8).
    #[must_use]
    pub fn policy_arn(&self) -> Option<&Arn> {
        match self {
            Self::RoleSession { role, .. } => Some(role),
            _ => self.arn(),
        }
    }

    /// The value of `aws:PrincipalType` (KEY-8).
    #[must_use]
    pub fn type_name(&self) -> Option<&'static str> {
        match self {
            Self::Anonymous => Some("Anonymous"),
            Self::Service { .. } | Self::IdentityProvider { .. } => None,
            Self::Root { .. } => Some("Account"),
            Self::User { .. } => Some("User"),
            Self::RoleSession { .. } => Some("AssumedRole"),
            Self::FederatedUser { .. } => Some("FederatedUser"),
        }
    }

    /// The session name of a role session or the name of a federated user.
    #[must_use]
    pub fn session_name(&self) -> Option<&str> {
        match self {
            Self::RoleSession { session, .. } => Some(session.name()),
            Self::FederatedUser { arn, .. } => arn.resource_after("federated-user"),
            _ => None,
        }
    }

    /// A text that names the caller in messages and logs.
    #[must_use]
    pub fn display_name(&self) -> &str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Service { name } => name,
            Self::IdentityProvider { provider, .. } => provider,
            _ => self.arn().map(Arn::as_str).unwrap_or_default(),
        }
    }
}
