//! The identities and managed policies that a bundle defines.

use crate::model::{AccountId, Arn};
use crate::policy::{Place, Policy};
use std::collections::HashMap;
use std::sync::Arc;

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Where it is written.
    pub place: Place,
    /// Its id.
    pub id: AccountId,
    /// Its partition, such as `aws`.
    pub partition: String,
    /// Its name for people.
    pub alias: Option<String>,
    /// Its storage canonical id, in lower case.
    pub canonical_id: Option<String>,
    /// The Kubernetes namespaces bound to it.
    pub namespaces: Vec<String>,
    /// The longest session of a role, in seconds, whatever the role says (DUR-04).
    pub max_role_session_s: u32,
    /// The longest session of a role that a session of a role asks for, in seconds (DUR-04).
    pub max_chained_session_s: u32,
}

/// What users, groups and roles have in common.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Where it is written.
    pub place: Place,
    /// Its account.
    pub account: AccountId,
    /// Its name, without path.
    pub name: String,
    /// Its ARN, with path.
    pub arn: Arn,
    /// Its unique id.
    pub unique_id: Option<String>,
    /// Its tags.
    pub tags: Vec<(String, String)>,
    /// The managed policies attached to it.
    pub attached: Vec<Reference>,
    /// The policies written into it, by name.
    pub inline: Vec<(String, Arc<Policy>)>,
    /// The managed policy that is its permissions boundary.
    pub boundary: Option<Reference>,
}

/// A reference to something else in the bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Where it is written.
    pub place: Place,
    /// The name or ARN as written.
    pub text: String,
}

/// An IAM user.
#[derive(Clone, Debug)]
pub struct User {
    /// What it has in common with other identities.
    pub identity: Identity,
    /// The names of its groups.
    pub groups: Vec<Reference>,
    /// Its access keys.
    pub access_keys: Vec<AccessKey>,
    /// Its second factors.
    pub mfa_devices: Vec<MfaDevice>,
}

/// A long-term access key of a user. The secret stands in the credentials directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKey {
    /// The id, such as `AKIA…`.
    pub id: String,
    /// The file of the secret, relative to the credentials directory.
    pub secret_file: String,
    /// Whether it may be used.
    pub active: bool,
}

/// A second factor of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MfaDevice {
    /// Its serial number or ARN.
    pub serial: String,
    /// The file of the seed, relative to the credentials directory.
    pub secret_file: String,
}

/// A group of users; an identity, never a principal.
#[derive(Clone, Debug)]
pub struct Group {
    /// What it has in common with other identities; it has no boundary and no tags.
    pub identity: Identity,
}

/// A role.
#[derive(Clone, Debug)]
pub struct Role {
    /// What it has in common with other identities.
    pub identity: Identity,
    /// Who may assume it.
    pub trust: Arc<Policy>,
    /// The longest session, in seconds.
    pub max_session_s: u32,
    /// Whether it belongs to a service (EV-38).
    pub service_linked: bool,
}

/// A managed policy.
#[derive(Clone, Debug)]
pub struct ManagedPolicy {
    /// Where it is written.
    pub place: Place,
    /// Its account; `None` for the policies of the vendor (account `aws`).
    pub account: Option<AccountId>,
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: Arn,
    /// The document.
    pub policy: Arc<Policy>,
}

/// Everything that identities refer to, by name and by ARN.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// The accounts.
    pub accounts: Vec<Account>,
    /// The users.
    pub users: Vec<User>,
    /// The groups.
    pub groups: Vec<Group>,
    /// The roles.
    pub roles: Vec<Role>,
    /// The managed policies.
    pub policies: Vec<ManagedPolicy>,
}

impl Directory {
    /// The account with this id, if it is declared.
    #[must_use]
    pub fn account(&self, id: AccountId) -> Option<&Account> {
        self.accounts.iter().find(|account| account.id == id)
    }

    /// The partition of an account; `aws` for one that is not declared.
    #[must_use]
    pub fn partition(&self, account: AccountId) -> &str {
        let declared = self.account(account);
        declared.map_or("aws", |account| account.partition.as_str())
    }

    /// Indexes for the look-up of references.
    #[must_use]
    pub fn index(&self) -> DirectoryIndex<'_> {
        let mut index = DirectoryIndex::default();
        for policy in &self.policies {
            index.policies_by_arn.insert(policy.arn.as_str(), policy);
            index
                .policies_by_name
                .insert((policy.account, policy.name.as_str()), policy);
        }
        for group in &self.groups {
            let identity = &group.identity;
            index
                .groups
                .insert((identity.account, identity.name.as_str()), group);
        }
        for role in &self.roles {
            let identity = &role.identity;
            index.roles_by_arn.insert(identity.arn.as_str(), role);
            index
                .roles_by_name
                .insert((identity.account, identity.name.as_str()), role);
        }
        index
    }
}

/// Look-ups in a [`Directory`].
#[derive(Clone, Debug, Default)]
pub struct DirectoryIndex<'a> {
    policies_by_arn: HashMap<&'a str, &'a ManagedPolicy>,
    policies_by_name: HashMap<(Option<AccountId>, &'a str), &'a ManagedPolicy>,
    groups: HashMap<(AccountId, &'a str), &'a Group>,
    roles_by_arn: HashMap<&'a str, &'a Role>,
    roles_by_name: HashMap<(AccountId, &'a str), &'a Role>,
}

impl<'a> DirectoryIndex<'a> {
    /// The managed policy that an identity of `account` means by a name or an ARN: its own
    /// account's before the vendor's.
    #[must_use]
    pub fn policy(&self, account: AccountId, text: &str) -> Option<&'a ManagedPolicy> {
        if text.starts_with("arn:") {
            return self.policies_by_arn.get(text).copied();
        }
        let own = self.policies_by_name.get(&(Some(account), text));
        own.or_else(|| self.policies_by_name.get(&(None, text)))
            .copied()
    }

    /// A group of `account` by name.
    #[must_use]
    pub fn group(&self, account: AccountId, name: &str) -> Option<&'a Group> {
        self.groups.get(&(account, name)).copied()
    }

    /// A role by ARN, or by name in `account`.
    #[must_use]
    pub fn role(&self, account: AccountId, text: &str) -> Option<&'a Role> {
        if text.starts_with("arn:") {
            return self.roles_by_arn.get(text).copied();
        }
        self.roles_by_name.get(&(account, text)).copied()
    }
}
