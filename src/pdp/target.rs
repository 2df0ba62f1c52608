//! What is asked about: the resource with all that is recorded of it (CTX-4).

use crate::engine::{EndpointFacts, Level, Membership, View};
use crate::mapping::{Governed, PolicySource};
use crate::model::{
    AccountId, Action, Arn, Context, ContextValue, Delegation, EvaluationFault, Principal,
    Resource, ResourceName,
};
use crate::pdp::outcome::Refusal;
use crate::policy::TypeDelegation;
use crate::snapshot::Snapshot;
use std::sync::Arc;

/// A resource, and what the snapshot knows of it.
pub(super) struct Target<'s> {
    pub(super) resource: Resource,
    pub(super) tags: Tags<'s>,
    /// Its resource policy, or the trust policy of a role.
    pub(super) policy: Option<&'s Arc<View>>,
    /// The control policies of its owner's organization.
    pub(super) rcp: Option<&'s [Level]>,
    /// Whether its access control list grants.
    pub(super) acl: bool,
    /// Whether every authenticated caller may do the action (EV-6).
    pub(super) no_permission_needed: bool,
    /// The owner's place in its organization.
    pub(super) membership: Option<&'s Membership>,
}

/// The tags of a resource.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tags<'s> {
    /// There is no resource that could have any.
    None,
    /// Nobody recorded them.
    Unknown,
    /// These.
    Known(&'s [(String, String)]),
}

impl<'s> Target<'s> {
    /// Looks up what is asked about.
    ///
    /// `stated` is the owner as the asker has it, and `usual` the one to assume where neither a
    /// record nor the ARN nor the asker names one. `governed` is what a route says of the resource.
    ///
    /// # Errors
    ///
    /// [`Refusal::Fault`] when the asker states another owner than the record does (ARN-9).
    pub(super) fn look_up(
        snapshot: &'s Snapshot,
        principal: &Principal,
        action: &Action,
        name: ResourceName,
        stated: Option<AccountId>,
        usual: Option<AccountId>,
        governed: Option<Governed<'_>>,
    ) -> Result<Self, Refusal> {
        let found = match name.arn() {
            None => Found::default(),
            Some(arn) if arn.service() == "iam" => Found::of_identity(snapshot, action, arn),
            Some(arn) => Found::of_resource(snapshot, principal, action, arn, governed)?,
        };
        if let (Some(recorded), Some(stated)) = (found.recorded, stated)
            && recorded != stated
        {
            let fault = EvaluationFault::OwnerMismatch;
            let message = fault.to_string();
            return Err(Refusal::Fault { fault, message });
        }
        let of_arn = name.arn().and_then(Arn::account);
        let owner = found
            .recorded
            .or(stated)
            .or(found.owner)
            .or(of_arn)
            .or(usual)
            // CTX-4: what has no owner of its own is the caller's.
            .or_else(|| principal.account().filter(|_| name.arn().is_none()));
        let membership = owner.and_then(|owner| snapshot.policies.membership(owner));
        let bound = membership.filter(|place| found.resource_control && !place.is_management);
        Ok(Self {
            tags: found.tags,
            policy: found.policy,
            rcp: bound.and_then(|place| place.rcp.as_deref()),
            acl: found.acl,
            no_permission_needed: snapshot.mapping.needs_no_permission(action),
            membership,
            resource: Resource {
                delegation: match Delegation::of(action, &name) {
                    Delegation::Default if found.is_explicit => Delegation::Key,
                    delegation => delegation,
                },
                name,
                owner,
            },
        })
    }
}

/// What was found of a resource.
struct Found<'s> {
    /// The owner by the record.
    recorded: Option<AccountId>,
    /// The owner by the type.
    owner: Option<AccountId>,
    tags: Tags<'s>,
    policy: Option<&'s Arc<View>>,
    acl: bool,
    is_explicit: bool,
    resource_control: bool,
}

impl Default for Found<'_> {
    fn default() -> Self {
        Self {
            recorded: None,
            owner: None,
            tags: Tags::None,
            policy: None,
            acl: false,
            is_explicit: false,
            resource_control: false,
        }
    }
}

impl<'s> Found<'s> {
    /// A user, role or policy. Its own policy speaks for who may assume it, and for nothing else.
    fn of_identity(snapshot: &'s Snapshot, action: &Action, arn: &Arn) -> Self {
        let text = arn.as_str();
        let subject = snapshot.policies.identity(text);
        let is_assumed = action.prefix() == "sts";
        // ROLE-31: the tags of a role are not reliable while it is passed.
        let is_passed = action.folded() == "iam:passrole";
        Self {
            recorded: subject.map(|subject| subject.account),
            tags: match subject {
                Some(subject) if !is_passed => Tags::Known(&subject.tags),
                _ => Tags::Unknown,
            },
            policy: subject
                .filter(|_| is_assumed)
                .and_then(|subject| subject.trust.as_ref()),
            resource_control: is_assumed,
            ..Self::default()
        }
    }

    fn of_resource(
        snapshot: &'s Snapshot,
        principal: &Principal,
        action: &Action,
        arn: &Arn,
        governed: Option<Governed<'_>>,
    ) -> Result<Self, Refusal> {
        let described = match governed {
            None => snapshot.mapping.describe(arn),
            Some(governed) => snapshot.mapping.describe_mapped(arn, governed),
        };
        let described = described.map_err(|fault| Refusal::Malformed {
            label: "bad_resource",
            message: fault.to_string(),
        })?;
        let records = snapshot.policies.resources();
        let record = records.find(arn);
        let container = match described.as_ref().map(|described| &described.policy) {
            Some(PolicySource::Parent(parent)) => records.find(parent),
            Some(PolicySource::Nobody | PolicySource::Own) | None => None,
        };
        let speaker = match described.as_ref().map(|described| &described.policy) {
            Some(PolicySource::Nobody) => None,
            Some(PolicySource::Parent(_)) => container,
            Some(PolicySource::Own) | None => record,
        };
        let acl = match (&described, record) {
            (Some(described), Some(record)) => {
                record.acl_grants(principal, action, described.acl, described.log_delivery)
            }
            _ => false,
        };
        let tags = record.and_then(|record| record.tags.as_deref());
        let explicit = |described: &crate::mapping::Described<'_>| {
            described.delegation == TypeDelegation::Explicit
        };
        Ok(Self {
            // What stands in a container is its owner's, unless a record of its own says otherwise.
            recorded: record.or(container).map(|record| record.owner),
            owner: described.as_ref().map(|described| described.owner),
            tags: tags.map_or(Tags::Unknown, Tags::Known),
            policy: speaker.and_then(|record| record.policy.as_ref()),
            acl,
            is_explicit: described.as_ref().is_some_and(explicit),
            resource_control: described.is_none_or(|described| described.resource_control),
        })
    }
}

/// Through which endpoint a call came (EV-14).
#[derive(Clone, Copy, Debug)]
pub(super) enum ThroughEndpoint<'s> {
    /// Through none, or through one of which the bundle says nothing.
    None,
    /// Through this one.
    Known(&'s EndpointFacts),
    /// Through some endpoint, and nobody can tell which: its policy would have to allow.
    Doubtful(&'s View),
}

impl<'s> ThroughEndpoint<'s> {
    pub(super) fn of(snapshot: &'s Snapshot, context: &Context) -> Self {
        let resources = snapshot.policies.resources();
        let id = match context.lookup("aws:sourcevpce") {
            Some(ContextValue::Values(values)) => match values.as_slice() {
                [] => return Self::None,
                [id] => id,
                several => {
                    let mut known = several.iter().filter_map(|id| resources.endpoint(id));
                    let doubtful = known.any(|endpoint| endpoint.policy.is_some());
                    return if doubtful {
                        Self::Doubtful(resources.nothing())
                    } else {
                        Self::None
                    };
                }
            },
            Some(ContextValue::Unknown) if resources.has_endpoint_policies() => {
                return Self::Doubtful(resources.nothing());
            }
            Some(ContextValue::Unknown) | None => return Self::None,
        };
        match resources.endpoint(id) {
            Some(endpoint) => Self::Known(endpoint),
            None => Self::None,
        }
    }

    /// The layer that it makes; one without documents allows nothing.
    pub(super) fn policy(self) -> Option<&'s View> {
        match self {
            Self::None => None,
            Self::Known(endpoint) => endpoint.policy.as_deref(),
            Self::Doubtful(nothing) => Some(nothing),
        }
    }
}
