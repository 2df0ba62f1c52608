//! The decision for one action on one resource (EV-10).

mod applicable;
mod fixed;

pub(super) use applicable::Applicable;

use crate::engine::principal::{Caller, MatchKind};
use crate::engine::truth::Truth;
use crate::engine::view::{Level, View};
use crate::model::{
    AccountId, Arn, Decision, Delegation, EvaluationFault, FederationIssuer, Grant, Layer,
    Principal, Reason, Request, ResourceName, StatementRef,
};
use crate::policy::Effect;
use fixed::{crosses_partitions, is_refused_to_credential, needs_no_permission};
use smallvec::SmallVec;

/// The policies that stand between a caller and a resource (EV-5).
///
/// Whoever fills this in leaves out what does not exist: no boundary, a caller outside any
/// organization or in its management account, a resource type without control policies. Which of
/// the layers bind which kind of caller is judged here.
#[derive(Clone, Copy, Debug, Default)]
pub struct Layers<'a> {
    /// Service control policies of the caller's account, from the root down.
    pub scp: Option<&'a [Level]>,
    /// Resource control policies of the owner's account, from the root down; the built-in document
    /// that allows all is implied at each level (RCP-4).
    pub rcp: Option<&'a [Level]>,
    /// The policy of the endpoint that the call used.
    pub endpoint: Option<&'a View>,
    /// The policy of the resource; the trust policy, when the resource is a role.
    pub resource: Option<&'a View>,
    /// The policies of the user and its groups, of the role, or of the issuing user.
    pub identity: Option<&'a View>,
    /// The permissions boundary; a view without documents is one that allows nothing.
    pub boundary: Option<&'a View>,
    /// The session policies; without documents it is a session that may do nothing by identity.
    pub session: Option<&'a View>,
    /// What the access control list of the resource grants this caller for this action (ACL-2).
    pub acl: bool,
    /// Whether the service says that the action needs no permission (EV-6).
    pub no_permission_needed: bool,
}

impl<'a> Layers<'a> {
    /// Every view of every layer, with a number for the layer and its level.
    pub(super) fn views(&self) -> impl Iterator<Item = (u64, &'a View)> + use<'a> {
        let levels = |first: u64, levels: Option<&'a [Level]>| {
            let levels = levels.unwrap_or_default().iter();
            (first..).zip(levels.map(|level| &*level.view))
        };
        let single = [
            (0, self.endpoint),
            (1, self.resource),
            (2, self.identity),
            (3, self.boundary),
            (4, self.session),
        ];
        let single = single
            .into_iter()
            .filter_map(|(layer, view)| Some((layer, view?)));
        // A layer without levels binds nobody, like none.
        let scp = levels(1 << 16, self.scp);
        let rcp = levels(1 << 32, self.rcp);
        single.chain(scp).chain(rcp)
    }
}

/// Judges one request by its layers.
#[must_use]
pub fn judge(layers: &Layers<'_>, request: &Request<'_>) -> Decision {
    if request.context.fault().is_some() {
        return Decision::fault(EvaluationFault::ContextOverLimit);
    }
    let owner = match owner(request) {
        Ok(owner) => owner,
        Err(fault) => return Decision::fault(fault),
    };
    if crosses_partitions(request) {
        return Decision::implicit(Layer::Partition, None);
    }
    if is_refused_to_credential(request) {
        return Decision::implicit(Layer::Session, None);
    }
    if needs_no_permission(layers, request) {
        return Decision::Allow(Grant {
            none_needed: true,
            ..Grant::default()
        });
    }
    let mut judgement = Judgement::new(layers, request, owner);
    judgement.ask_all();
    judgement.conclude()
}

/// The owner of the resource; of an action without resource it is the caller's account (CTX-4).
fn owner(request: &Request<'_>) -> Result<Option<AccountId>, EvaluationFault> {
    let resource = request.resource;
    match &resource.name {
        ResourceName::Wildcard => Ok(resource.owner.or_else(|| request.principal.account())),
        ResourceName::Arn(arn) => {
            let contradicts = |owner| arn.account().is_some_and(|account| account != owner);
            match resource.owner {
                // ARN-9: the record decides, and the ARN may not contradict it.
                Some(owner) if contradicts(owner) => Err(EvaluationFault::OwnerMismatch),
                None if request.principal.account().is_some() => Err(EvaluationFault::OwnerUnknown),
                owner => Ok(owner),
            }
        }
    }
}

/// One decision in the making.
#[expect(
    clippy::struct_excessive_bools,
    reason = "the facts I, B and S of EV-10"
)]
struct Judgement<'a, 'r> {
    layers: Applicable<'a>,
    request: &'r Request<'r>,
    caller: Caller<'r>,
    same_account: bool,
    denies: SmallVec<[Reason; 4]>,
    gates: SmallVec<[Reason; 4]>,
    grants: SmallVec<[StatementRef; 8]>,
    resource: Option<MatchKind>,
    identity: bool,
    boundary: bool,
    session: bool,
}

impl<'a, 'r> Judgement<'a, 'r> {
    fn new(layers: &Layers<'a>, request: &'r Request<'r>, owner: Option<AccountId>) -> Self {
        let layers = Applicable::of(layers, request);
        let caller = Caller {
            principal: request.principal,
            bounded: layers.boundary.is_some(),
        };
        let same_account = owner.is_some() && owner == request.principal.account();
        Self {
            layers,
            request,
            caller,
            same_account,
            denies: SmallVec::new(),
            gates: SmallVec::new(),
            grants: SmallVec::new(),
            resource: None,
            identity: false,
            boundary: true,
            session: true,
        }
    }

    /// Asks every layer once. They come in the order of RSN-4, so that the reasons are
    /// sorted as they are found.
    fn ask_all(&mut self) {
        if let Some(levels) = self.layers.scp {
            self.ask_levels(Layer::Scp, levels, false);
        }
        if let Some(levels) = self.layers.rcp {
            self.ask_levels(Layer::Rcp, levels, true);
        }
        if let Some(view) = self.layers.endpoint
            && self.ask(Layer::Endpoint, None, view, false).is_none()
        {
            self.gates.push(Reason::Implicit {
                layer: Layer::Endpoint,
                level: None,
            });
        }
        if let Some(view) = self.layers.resource {
            self.resource = self.ask(self.resource_layer(), None, view, true);
        }
        self.identity = match (self.request.principal, self.layers.identity) {
            (
                Principal::FederatedUser {
                    issuer: FederationIssuer::Root,
                    ..
                },
                _,
            ) => true,
            (_, Some(view)) => self.ask(Layer::Identity, None, view, true).is_some(),
            (_, None) => false,
        };
        if let Some(view) = self.layers.boundary {
            self.boundary = self.ask(Layer::Boundary, None, view, false).is_some();
        }
        self.session = match self.layers.session {
            Some(view) => self.ask(Layer::Session, None, view, false).is_some(),
            // EV-27: a federated user without session policy has nothing by identity, and a session
            // of the root user has its task policy or nothing (EV-12).
            None => !matches!(
                self.request.principal,
                Principal::FederatedUser { .. } | Principal::Root { assumed: true, .. }
            ),
        };
        // RSN-5: among the gates a failing RCP is named before a failing SCP.
        let order = |reason: &Reason| match reason.layer() {
            Some(Layer::Rcp) => 0,
            Some(Layer::Scp) => 1,
            _ => 2,
        };
        self.gates.sort_by_key(order);
    }

    fn ask_levels(&mut self, layer: Layer, levels: &[Level], implied_allow: bool) {
        for (index, level) in levels.iter().enumerate() {
            let index = u16::try_from(index).unwrap_or(u16::MAX);
            let allow = self.ask(layer, Some(index), &level.view, false);
            if allow.is_none() && !implied_allow {
                self.gates.push(Reason::Implicit {
                    layer,
                    level: Some(index),
                });
            }
        }
    }

    /// Asks the statements of one layer: a matching Deny is noted, and the strongest Allow told.
    fn ask(
        &mut self,
        layer: Layer,
        level: Option<u16>,
        view: &View,
        granting: bool,
    ) -> Option<MatchKind> {
        let mut allow = None;
        let (denies, grants) = (&mut self.denies, &mut self.grants);
        view.ask(self.caller, self.request, |hit| {
            let statement = StatementRef {
                layer,
                level,
                document: hit.document,
                statement: hit.statement,
            };
            match (hit.effect, hit.truth) {
                (_, Truth::False) | (Effect::Allow, Truth::Undetermined) => {}
                (Effect::Allow, Truth::True) => {
                    allow = allow.max(Some(hit.kind));
                    if granting {
                        grants.push(statement);
                    }
                }
                // GEN-3: an uncertain Deny applies.
                (Effect::Deny, truth @ (Truth::True | Truth::Undetermined)) => {
                    denies.push(Reason::Explicit {
                        statement,
                        undetermined: truth == Truth::Undetermined,
                    });
                }
            }
        });
        allow
    }

    fn resource_layer(&self) -> Layer {
        let name = &self.request.resource.name;
        if name.arn().is_some_and(Arn::is_role) {
            Layer::Trust
        } else {
            Layer::Resource
        }
    }

    /// Steps 4 to 9 of EV-10.
    fn conclude(&mut self) -> Decision {
        let grant = self.grant();
        if self.denies.is_empty()
            && self.gates.is_empty()
            && let Some(grant) = grant
        {
            return Decision::Allow(grant);
        }
        let mut reasons = std::mem::take(&mut self.denies);
        reasons.append(&mut self.gates);
        if grant.is_none() {
            self.failing(&mut reasons);
        }
        if reasons.is_empty() {
            // A path that fails must name a layer; were there none, nothing may pass.
            return Decision::fault(EvaluationFault::Internal);
        }
        Decision::Deny(reasons)
    }

    /// Step 9: the grant, if the caller's path holds.
    fn grant(&self) -> Option<Grant> {
        let direct = self.resource == Some(MatchKind::Direct);
        let limited = self.resource == Some(MatchKind::Limited);
        let any_resource = self.resource.is_some();
        let limits = self.boundary && self.session;
        let by_identity = self.identity && limits;
        let only_resource = Grant {
            resource: true,
            ..Grant::default()
        };
        let only_acl = Grant {
            acl: true,
            ..Grant::default()
        };
        let both = Grant {
            identity: true,
            resource: any_resource,
            acl: self.layers.acl && !any_resource,
            ..Grant::default()
        };
        let grant = match self.request.principal {
            Principal::Anonymous
            | Principal::Service { .. }
            | Principal::IdentityProvider { .. } => {
                if direct {
                    Some(only_resource)
                } else {
                    self.layers.acl.then_some(only_acl)
                }
            }
            Principal::Root { .. } => self.root_grant(direct),
            Principal::User { .. }
            | Principal::RoleSession { .. }
            | Principal::FederatedUser { .. } => match (self.same_account, self.delegation()) {
                (true, Delegation::Default) => {
                    if direct || (limited && limits) {
                        Some(Grant {
                            identity: by_identity,
                            ..only_resource
                        })
                    } else {
                        by_identity.then_some(Grant {
                            resource: false,
                            acl: false,
                            ..both
                        })
                    }
                }
                (true, Delegation::Key) if direct => Some(only_resource),
                // DEL-4: who is named in a trust policy is still bound by boundary and session.
                (true, Delegation::Trust) if direct => limits.then_some(only_resource),
                (true, Delegation::Key | Delegation::Trust) => {
                    if limited {
                        limits.then_some(only_resource)
                    } else {
                        (any_resource && by_identity).then_some(both)
                    }
                }
                (false, _) => ((any_resource || self.layers.acl) && by_identity).then_some(both),
            },
        };
        grant.map(|grant| self.with_statements(grant))
    }

    fn root_grant(&self, direct: bool) -> Option<Grant> {
        let root = Grant {
            root: true,
            ..Grant::default()
        };
        if !self.session {
            return None;
        }
        match (self.same_account, self.delegation()) {
            (true, Delegation::Default) => Some(root),
            (true, Delegation::Key | Delegation::Trust) => direct.then_some(Grant {
                resource: true,
                ..Grant::default()
            }),
            (false, _) if direct => Some(Grant {
                resource: true,
                ..root
            }),
            (false, _) => self.layers.acl.then_some(Grant { acl: true, ..root }),
        }
    }

    fn delegation(&self) -> Delegation {
        self.request.resource.delegation
    }

    /// Keeps the statements of the layers that the grant rests on.
    fn with_statements(&self, mut grant: Grant) -> Grant {
        grant.statements = self
            .grants
            .iter()
            .filter(|reference| match reference.layer {
                Layer::Identity => grant.identity,
                _ => grant.resource,
            })
            .copied()
            .collect();
        grant
    }

    /// RSN-5: every layer that fails on the caller's path.
    fn failing(&self, reasons: &mut SmallVec<[Reason; 4]>) {
        let mut fails = |layer: Layer, failed: bool| {
            if failed {
                reasons.push(Reason::Implicit { layer, level: None });
            }
        };
        let resource = self.resource_layer();
        if !self.layers.has_identity {
            let granted = match self.request.principal {
                Principal::Root { .. } => {
                    self.same_account && self.delegation() == Delegation::Default
                }
                _ => false,
            };
            fails(
                resource,
                !granted && self.resource != Some(MatchKind::Direct),
            );
            fails(Layer::Session, !self.session);
            return;
        }
        let explicit = self.delegation() != Delegation::Default;
        let consented = self.resource == Some(MatchKind::Limited)
            || (self.resource == Some(MatchKind::Direct) && self.delegation() == Delegation::Trust);
        if !(self.same_account && consented) {
            if !self.same_account {
                fails(resource, self.resource.is_none() && !self.layers.acl);
            } else if explicit {
                fails(resource, self.resource.is_none());
            }
            fails(Layer::Identity, !self.identity);
        }
        fails(Layer::Boundary, !self.boundary);
        fails(Layer::Session, !self.session);
    }
}
