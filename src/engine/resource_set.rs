//! What is recorded of resources, by their ARNs.

use crate::engine::compiler::Compiler;
use crate::engine::document::ResourceTest;
use crate::engine::view::View;
use crate::model::{AccountId, Arn, Principal};
use crate::policy::ActionPattern;
use crate::policy::resource_record::{AclActions, AclGrant, Grantee, Permission, ResourceRecord};
use std::collections::HashMap;
use std::sync::Arc;

/// The record of a resource, ready to be judged by.
#[derive(Debug)]
pub struct ResourceFacts {
    /// Its ARN, or the pattern that stands for it.
    pub arn: Arc<str>,
    /// The account that owns it.
    pub owner: AccountId,
    /// Its resource policy.
    pub policy: Option<Arc<View>>,
    /// Its tags; `None` when they are not recorded.
    pub tags: Option<Vec<(String, String)>>,
    acl: Vec<AclGrant>,
}

/// An endpoint that calls may come through (EV-14).
#[derive(Debug)]
pub struct EndpointFacts {
    /// The account that owns it.
    pub owner: AccountId,
    /// The network that it stands in.
    pub vpc: Option<String>,
    /// Its policy; empty when it has none, which restricts nothing.
    pub policy: Option<Arc<View>>,
}

/// All records. A record of exactly one ARN goes before patterns; among patterns the one with the
/// most literal characters speaks.
#[derive(Debug, Default)]
pub struct ResourceSet {
    exact: HashMap<String, Arc<ResourceFacts>>,
    patterns: Vec<(ResourceTest, Arc<ResourceFacts>)>,
    endpoints: HashMap<String, Arc<EndpointFacts>>,
    nothing: View,
}

impl ResourceSet {
    pub(super) fn compile(records: &[ResourceRecord], compiler: &mut Compiler<'_>) -> Self {
        let mut set = Self::default();
        let mut wild = Vec::new();
        for record in records {
            let facts = Arc::new(ResourceFacts::compile(record, compiler));
            if record.wild {
                let literal = record.arn.chars().filter(|c| !"*?".contains(*c)).count();
                wild.push((literal, ResourceTest::compile(&record.pattern), facts));
            } else {
                set.exact.insert(record.arn.clone(), facts);
            }
            if let Some(endpoint) = &record.endpoint {
                let name = format!("{}/endpoint", record.arn);
                let policy = endpoint.policy.as_ref().map(|policy| {
                    let document = compiler.document(&name, policy);
                    compiler.view(vec![document], None)
                });
                let facts = EndpointFacts {
                    owner: record.owner,
                    vpc: endpoint.vpc.clone(),
                    policy,
                };
                set.endpoints.insert(endpoint.id.clone(), Arc::new(facts));
            }
        }
        // The order of files must not matter: of equally long patterns the first by text speaks.
        wild.sort_by(|(a, _, one), (b, _, other)| b.cmp(a).then_with(|| one.arn.cmp(&other.arn)));
        set.patterns = wild
            .into_iter()
            .map(|(_, pattern, facts)| (pattern, facts))
            .collect();
        set
    }

    /// The record that speaks for a resource.
    #[must_use]
    pub fn find(&self, arn: &Arn) -> Option<&Arc<ResourceFacts>> {
        let pattern = || {
            self.patterns
                .iter()
                .find(|(pattern, _)| pattern.covers(arn))
                .map(|(_, facts)| facts)
        };
        self.exact.get(arn.as_str()).or_else(pattern)
    }

    /// The endpoint with this id.
    #[must_use]
    pub fn endpoint(&self, id: &str) -> Option<&Arc<EndpointFacts>> {
        self.endpoints.get(id)
    }

    /// The policy of an endpoint that nobody can tell: it allows nothing.
    #[must_use]
    pub fn nothing(&self) -> &View {
        &self.nothing
    }

    /// Whether any endpoint has a policy.
    #[must_use]
    pub fn has_endpoint_policies(&self) -> bool {
        self.endpoints
            .values()
            .any(|endpoint| endpoint.policy.is_some())
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.exact.len() + self.patterns.len()
    }

    /// Whether nothing is recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl ResourceFacts {
    fn compile(record: &ResourceRecord, compiler: &mut Compiler<'_>) -> Self {
        Self {
            arn: record.arn.as_str().into(),
            owner: record.owner,
            policy: record.policy.as_ref().map(|policy| {
                let document = compiler.document(&record.arn, policy);
                compiler.view(vec![document], None)
            }),
            tags: record.tags.clone(),
            acl: if record.acl_disabled {
                Vec::new()
            } else {
                record.acl.clone()
            },
        }
    }

    /// Whether the access control list grants an action to a caller (ACL-2 to ACL-5). `actions` says
    /// what its permissions stand for, and `log_delivery` which service is meant by that group.
    #[must_use]
    pub fn acl_grants(
        &self,
        principal: &Principal,
        action: &crate::model::Action,
        actions: &AclActions,
        log_delivery: Option<&str>,
    ) -> bool {
        // ACL-3: never to callers of the owner's own account.
        if self.acl.is_empty() || principal.account() == Some(self.owner) {
            return false;
        }
        let stands_for = |permission: Permission| {
            let listed = actions.iter().filter(|(listed, _)| {
                permission == Permission::FullControl || **listed == permission
            });
            let mut patterns = listed.flat_map(|(_, patterns)| patterns);
            patterns.any(|pattern: &ActionPattern| pattern.covers(action.prefix(), action.name()))
        };
        self.acl.iter().any(|grant| {
            let meant = match &grant.grantee {
                // EV-35: a service has what names it, and a token's bearer only its trust policy.
                Grantee::AllUsers => !matches!(
                    principal,
                    Principal::Service { .. } | Principal::IdentityProvider { .. }
                ),
                Grantee::AuthenticatedUsers => principal.account().is_some(),
                Grantee::Account(account) => principal.account() == Some(*account),
                Grantee::LogDelivery => {
                    matches!(principal, Principal::Service { name } if Some(name.as_str()) == log_delivery)
                }
            };
            meant && stands_for(grant.permission)
        })
    }
}
