//! One simulation case: the request and every policy around it.

mod context;

use crate::engine::{
    DecisionCache, Document, Explanation, Layers, Level, Thresholds, View, explain, judge,
};
use crate::model::{
    AccountId, Action, Arn, Context, ContextValue, Credential, Decision, Delegation,
    EvaluationFault, Layer, Principal, Request, Resource, ResourceName, StatementRef, Timestamp,
};
use crate::policy::node::{Node, Value};
use crate::policy::{Findings, Keys, Policy, PolicyKind, Severity};
use crate::simulate::Answer;
use context::context;
use std::sync::Arc;

/// A case that is ready to be judged.
#[derive(Debug)]
pub struct Case {
    id: Option<Node>,
    principal: Principal,
    // An action or resource that no request may carry is an answer (ACT-7, RES-13), not a fault of
    // the case.
    action: Result<Action, EvaluationFault>,
    resource: Result<ResourceName, EvaluationFault>,
    owner: Option<AccountId>,
    context: Context,
    identity: View,
    boundary: Option<View>,
    session: Option<View>,
    scp: Option<Vec<Level>>,
    rcp: Option<Vec<Level>>,
    endpoint: Option<View>,
    resource_policy: Option<View>,
}

/// Why a case cannot be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidCase {
    /// What is wrong, and where in the case.
    pub message: String,
}

fn invalid(message: impl Into<String>) -> InvalidCase {
    InvalidCase {
        message: message.into(),
    }
}

const MEMBERS: &[&str] = &[
    "id",
    "request",
    "principalRole",
    "wildcardOnlyAction",
    "identityPolicies",
    "permissionsBoundaries",
    "sessionPolicies",
    "serviceControlPolicies",
    "resourceControlPolicies",
    "endpointPolicies",
    "resourcePolicy",
    // Of cases that were made of a log; it says nothing where a case carries all that there is.
    "revision",
];

const REQUEST_MEMBERS: &[&str] = &[
    "principal",
    "principalRole",
    "action",
    "resource",
    "resourceAccount",
    "context",
    "time",
    "wildcardOnlyAction",
];

impl Case {
    /// Reads a case.
    ///
    /// # Errors
    ///
    /// [`InvalidCase`] when a member is missing, unknown or of the wrong type, or when a policy has
    /// an error: a case is judged whole or not at all.
    pub fn read(node: &Node) -> Result<Self, InvalidCase> {
        known_members(node, "the case", MEMBERS)?;
        let request = node
            .member("request")
            .ok_or_else(|| invalid("`request` is missing"))?;
        known_members(request, "`request`", REQUEST_MEMBERS)?;
        let either = |name: &str| given(request, name).or_else(|| given(node, name));

        let role = either("principalRole")
            .map(|role| text(role, "principalRole"))
            .transpose()?;
        let session = list(node, "sessionPolicies", PolicyKind::Identity)?;
        let mut principal = request
            .member("principal")
            .ok_or_else(|| invalid("`request.principal` is missing"))
            .and_then(|node| principal(node, role))?;
        if let Principal::Root { assumed, .. } = &mut principal {
            // EV-5: a session of the root user has its task policy.
            *assumed = session.as_ref().is_some_and(|view| !view.is_empty());
        }
        let action_text = required_text(request, "action")?;
        let action = Action::parse(action_text).map_err(|_| EvaluationFault::MalformedAction);
        let wildcard_only = match either("wildcardOnlyAction").map(|node| &node.value) {
            None | Some(Value::Bool(false)) => false,
            Some(Value::Bool(true)) => true,
            Some(_) => return Err(invalid("`wildcardOnlyAction` is true or false")),
        };
        let resource = if wildcard_only {
            Ok(ResourceName::Wildcard)
        } else {
            ResourceName::parse(required_text(request, "resource")?)
                .map_err(|_| EvaluationFault::MalformedResource)
        };
        let owner = owner(request, resource.as_ref().ok(), &principal)?;
        let context = context(request, &principal, owner)?;

        let trust = match (&action, &resource) {
            (Ok(action), Ok(name)) => Delegation::of(action, name) == Delegation::Trust,
            _ => false,
        };
        let resource_kind = if trust {
            PolicyKind::Trust
        } else {
            PolicyKind::Resource
        };
        let resource_policy = given(node, "resourcePolicy")
            .map(|policy| document(policy, "resourcePolicy".to_owned(), resource_kind))
            .transpose()?
            // ROLE-31: there is no resource policy for it.
            .filter(|_| !matches!(&action, Ok(action) if action.folded() == "iam:passrole"));
        let boundary = list(node, "permissionsBoundaries", PolicyKind::Identity)?;
        let endpoint = list(node, "endpointPolicies", PolicyKind::Endpoint)?;
        Ok(Self {
            id: node.member("id").cloned(),
            principal,
            action,
            resource,
            owner,
            context,
            identity: list(node, "identityPolicies", PolicyKind::Identity)?.unwrap_or_default(),
            // No boundary and an empty list of boundaries are the same fact about an identity.
            boundary: boundary.filter(|view| !view.is_empty()),
            // A list of session policies is a layer even when it is empty.
            session,
            scp: levels(node, "serviceControlPolicies", PolicyKind::ServiceControl)?,
            rcp: levels(node, "resourceControlPolicies", PolicyKind::ResourceControl)?,
            endpoint: endpoint.filter(|view| !view.is_empty()),
            resource_policy: resource_policy.map(|document| View::scanning([document])),
        })
    }

    /// Has the statements of the case found by an index, as a server does, where otherwise each of
    /// them is read: a case is answered once, and building an index would not pay.
    #[must_use]
    pub fn indexed(mut self, thresholds: Thresholds) -> Self {
        let change = |view: &mut View| {
            *view = View::indexed(view.documents().iter().cloned(), thresholds);
        };
        change(&mut self.identity);
        let others = [
            &mut self.boundary,
            &mut self.session,
            &mut self.endpoint,
            &mut self.resource_policy,
        ];
        others.into_iter().flatten().for_each(change);
        for levels in [&mut self.scp, &mut self.rcp] {
            for level in levels.iter_mut().flatten() {
                let documents = level.view.documents().iter().cloned();
                level.view = Arc::new(View::indexed(documents, thresholds));
            }
        }
        self
    }

    /// Judges the case.
    #[must_use]
    pub fn judge(&self) -> Answer {
        let decision = match (&self.action, &self.resource) {
            (Err(fault), _) | (_, Err(fault)) => Decision::fault(fault.clone()),
            (Ok(action), Ok(name)) => self.decide(action, name),
        };
        Answer::new(self.id.as_ref(), decision, |statement| {
            self.statement_name(statement)
        })
    }

    /// Judges the case by the policies of another one, and by a cache: what a server does whose
    /// policies stay while requests come and go.
    #[must_use]
    pub fn judge_cached(&self, policies: &Self, cache: &DecisionCache) -> Answer {
        let now = match self.context.lookup("aws:epochtime") {
            Some(ContextValue::Values(values)) => values.first().and_then(|text| text.parse().ok()),
            Some(ContextValue::Unknown) | None => None,
        };
        let now = Timestamp::from_seconds(now.unwrap_or_default());
        let decision = match (&self.action, &self.resource) {
            (Err(fault), _) | (_, Err(fault)) => Decision::fault(fault.clone()),
            (Ok(action), Ok(name)) => {
                let resource = self.resource(action, name);
                cache.judge(&policies.layers(), &self.request(action, &resource), now)
            }
        };
        Answer::new(self.id.as_ref(), decision, |statement| {
            policies.statement_name(statement)
        })
    }

    fn decide(&self, action: &Action, name: &ResourceName) -> Decision {
        let resource = self.resource(action, name);
        judge(&self.layers(), &self.request(action, &resource))
    }

    /// What every statement says; `None` for a case that no statement is read for.
    #[must_use]
    pub fn explain(&self) -> Option<Explanation> {
        let (Ok(action), Ok(name)) = (&self.action, &self.resource) else {
            return None;
        };
        let resource = self.resource(action, name);
        let request = self.request(action, &resource);
        Some(explain(&self.layers(), &request))
    }

    fn resource(&self, action: &Action, name: &ResourceName) -> Resource {
        Resource {
            name: name.clone(),
            owner: self.owner,
            delegation: Delegation::of(action, name),
        }
    }

    fn request<'r>(&'r self, action: &'r Action, resource: &'r Resource) -> Request<'r> {
        Request {
            principal: &self.principal,
            credential: Credential::Ordinary,
            forwarded: self.is_forwarded(),
            action,
            resource,
            context: &self.context,
        }
    }

    /// CTX-8: whether a service repeats a call of the principal.
    fn is_forwarded(&self) -> bool {
        match self.context.lookup("aws:viaawsservice") {
            Some(ContextValue::Values(values)) => values.iter().any(|value| &**value == "true"),
            Some(ContextValue::Unknown) | None => false,
        }
    }

    fn layers(&self) -> Layers<'_> {
        Layers {
            scp: self.scp.as_deref(),
            rcp: self.rcp.as_deref(),
            endpoint: self.endpoint.as_ref(),
            resource: self.resource_policy.as_ref(),
            identity: Some(&self.identity),
            boundary: self.boundary.as_ref(),
            session: self.session.as_ref(),
            acl: false,
            no_permission_needed: false,
        }
    }

    /// What a statement is called in an answer: where it stands in the case.
    fn statement_name(&self, statement: &StatementRef) -> String {
        let at = |view: &View| {
            let document = view.document(statement.document)?;
            Some(Arc::clone(&document.name))
        };
        let level = |levels: Option<&[Level]>| {
            levels?
                .get(usize::from(statement.level?))
                .and_then(|level| at(&level.view))
        };
        let document = match statement.layer {
            Layer::Scp => level(self.scp.as_deref()),
            Layer::Rcp => level(self.rcp.as_deref()),
            Layer::Endpoint => self.endpoint.as_ref().and_then(at),
            Layer::Resource | Layer::Trust => self.resource_policy.as_ref().and_then(at),
            Layer::Identity => at(&self.identity),
            Layer::Boundary => self.boundary.as_ref().and_then(at),
            Layer::Session => self.session.as_ref().and_then(at),
            Layer::Partition => None,
        };
        format!(
            "{}.Statement[{}]",
            document.unwrap_or_default(),
            statement.statement
        )
    }
}

/// A member that is there and not null.
fn given<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    node.member(name)
        .filter(|member| member.value != Value::Null)
}

fn known_members(node: &Node, what: &str, known: &[&str]) -> Result<(), InvalidCase> {
    let members = node
        .members()
        .ok_or_else(|| invalid(format!("{what} is a JSON object")))?;
    match members
        .iter()
        .find(|member| !known.contains(&member.name.as_str()))
    {
        Some(member) => Err(invalid(format!("{what} has no member `{}`", member.name))),
        None => Ok(()),
    }
}

fn text<'n>(node: &'n Node, name: &str) -> Result<&'n str, InvalidCase> {
    node.text()
        .ok_or_else(|| invalid(format!("`{name}` is a string, not {}", node.kind())))
}

fn required_text<'n>(request: &'n Node, name: &str) -> Result<&'n str, InvalidCase> {
    let node = request
        .member(name)
        .ok_or_else(|| invalid(format!("`request.{name}` is missing")))?;
    text(node, &format!("request.{name}"))
}

/// The caller, from an ARN, a service name, or `{"type":"Anonymous"}`.
fn principal(node: &Node, role: Option<&str>) -> Result<Principal, InvalidCase> {
    if node.members().is_some() {
        known_members(node, "`request.principal`", &["type"])?;
        return match node.member("type").and_then(Node::text) {
            Some("Anonymous") => Ok(Principal::Anonymous),
            _ => Err(invalid(
                "`request.principal.type` is `Anonymous`; give other callers as text",
            )),
        };
    }
    let text = text(node, "request.principal")?;
    if !text.starts_with("arn:") {
        return if text.contains('.') && !text.contains([':', '/', ' ']) {
            Ok(Principal::Service {
                name: text.to_owned(),
            })
        } else {
            Err(invalid(format!(
                "`{text}` is neither an ARN nor the name of a service"
            )))
        };
    }
    if let Some(role) = Arn::parse(text).ok().filter(Arn::is_role) {
        return role_itself(role);
    }
    Principal::of_arn(text, role).map_err(|fault| invalid(fault.to_string()))
}

/// A role stands for a session of it that no policy names.
fn role_itself(role: Arn) -> Result<Principal, InvalidCase> {
    let nobody = || invalid(format!("`{role}` is not the ARN of a caller"));
    let account = role
        .account()
        .filter(|_| role.is_identity("role"))
        .ok_or_else(nobody)?;
    // `*` cannot stand in the ARN of a session that a policy names (PRI-3).
    let resource = format!("assumed-role/{}/*", role.name());
    let session =
        Arn::of_identity(role.partition(), "sts", account, &resource).map_err(|_| nobody())?;
    Ok(Principal::RoleSession {
        role,
        session,
        account,
        service_linked: false,
    })
}

/// The owner of the resource: as stated, else the account of its ARN, else the caller's, as where
/// a simulation names none.
fn owner(
    request: &Node,
    resource: Option<&ResourceName>,
    principal: &Principal,
) -> Result<Option<AccountId>, InvalidCase> {
    if let Some(account) = given(request, "resourceAccount") {
        let account = text(account, "request.resourceAccount")?;
        return AccountId::parse(account)
            .map(Some)
            .map_err(|fault| invalid(fault.to_string()));
    }
    let of_arn = resource.and_then(ResourceName::arn).and_then(Arn::account);
    Ok(of_arn.or_else(|| principal.account()))
}

fn document(node: &Node, name: String, kind: PolicyKind) -> Result<Arc<Document>, InvalidCase> {
    let mut findings = Findings::new(name.as_str());
    let policy = Policy::parse(node, kind, &Keys::of_closed_world(), &mut findings);
    let fault = findings
        .into_list()
        .into_iter()
        .find(|finding| finding.severity == Severity::Error);
    match (policy, fault) {
        (Some(policy), None) => Ok(Arc::new(Document::compile(name, &policy))),
        (_, Some(fault)) => {
            let hint = fault
                .hint
                .map(|hint| format!(" ({hint})"))
                .unwrap_or_default();
            Err(invalid(format!(
                "{name}: {}: {}{hint}",
                fault.rule, fault.message
            )))
        }
        (None, None) => Err(invalid(format!("{name}: not a policy document"))),
    }
}

fn list(node: &Node, name: &str, kind: PolicyKind) -> Result<Option<View>, InvalidCase> {
    let Some(member) = given(node, name) else {
        return Ok(None);
    };
    let items = member
        .items()
        .ok_or_else(|| invalid(format!("`{name}` is a list")))?;
    let documents = items
        .iter()
        .enumerate()
        .map(|(index, item)| document(item, format!("{name}[{index}]"), kind));
    let documents: Vec<Arc<Document>> = documents.collect::<Result<_, _>>()?;
    // A case is answered once, so an index would not pay.
    Ok(Some(View::scanning(documents)))
}

fn levels(node: &Node, name: &str, kind: PolicyKind) -> Result<Option<Vec<Level>>, InvalidCase> {
    let Some(member) = given(node, name) else {
        return Ok(None);
    };
    let items = member
        .items()
        .ok_or_else(|| invalid(format!("`{name}` is a list")))?;
    let mut levels = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let what = format!("{name}[{index}]");
        known_members(item, &format!("`{what}`"), &["level", "policies"])?;
        let id = item
            .member("level")
            .ok_or_else(|| invalid(format!("`{what}.level` is missing")))?;
        let policies = item
            .member("policies")
            .and_then(Node::items)
            .ok_or_else(|| invalid(format!("`{what}.policies` is a list")))?;
        let documents = policies.iter().enumerate().map(|(position, policy)| {
            document(policy, format!("{what}.policies[{position}]"), kind)
        });
        levels.push(Level {
            id: text(id, &format!("{what}.level"))?.into(),
            view: Arc::new(View::scanning(documents.collect::<Result<Vec<_>, _>>()?)),
        });
    }
    // An organization without levels is no organization.
    Ok((!levels.is_empty()).then_some(levels))
}
