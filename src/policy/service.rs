//! Your own services: their actions, resources, condition keys and routes.

use crate::model::{AccountId, Action, ContextKey};
use crate::policy::Place;
use crate::policy::Signing;
use crate::policy::resource_record::AclActions;
use std::collections::BTreeMap;

/// One service of yours, as an `IamService` document defines it.
#[derive(Clone, Debug)]
pub struct Service {
    /// Where it is written.
    pub place: Place,
    /// The name of the document.
    pub name: String,
    /// The prefix of its actions, in lower case.
    pub prefix: String,
    /// The account that owns its resources, unless an ARN template names another.
    pub account: Option<AccountId>,
    /// The value of `${Partition}` in ARN templates.
    pub partition: String,
    /// The value of `${Region}` in ARN templates and of `aws:RequestedRegion`.
    pub region: Option<String>,
    /// The hosts on which it is called, in lower case and without port; empty means any host.
    pub hosts: Vec<String>,
    /// How doubtful paths are treated.
    pub paths: PathMode,
    /// Its resource types by name.
    pub resources: BTreeMap<String, ResourceType>,
    /// Its actions beyond those of its routes.
    pub actions: Vec<Action>,
    /// Actions that every authenticated caller may do, whatever the policies say (EV-6).
    pub no_permission: Vec<Action>,
    /// The service principal that access control lists call `LogDelivery` (ACL-2).
    pub log_delivery: Option<String>,
    /// Whether denials carry their reason, sealed for whoever may decode it (DAM-01).
    pub encoded_denials: bool,
    /// Its own condition keys.
    pub condition_keys: BTreeMap<ContextKey, ConditionKeyType>,
    /// How its calls are written.
    pub protocol: ServiceProtocol,
    /// What calls mean, where the protocol leaves that open.
    pub routes: Vec<Route>,
    /// What the operations of a protocol that names them mean.
    pub operations: Vec<Operation>,
    /// How signatures are verified.
    pub signing: Signing,
}

/// How the calls of a service are written, and so what tells their action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceProtocol {
    /// By its routes.
    Routes,
    /// The REST protocol of S3.
    S3,
    /// The query protocol of AWS: `Action` in a form, of this version of the service.
    AwsQuery(String),
    /// The JSON protocols of AWS: `X-Amz-Target`, which begins with this name.
    AwsJson(String),
    /// Every method of this gRPC service is an action.
    Grpc(String),
}

/// What one operation of a service means.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Where it is written.
    pub place: Place,
    /// Its name.
    pub name: String,
    /// The action, where it is not called like the operation.
    pub action: Option<Action>,
    /// The name of a resource type, an ARN template, or where in the body ARNs stand; none when it
    /// has no resource.
    pub resource: Vec<String>,
    /// Where in the body nothing may stand: other ways to name what the operation is about.
    pub without: Vec<String>,
    /// What fills the variables of the ARN: each from one of these places in the body.
    pub values: Vec<(String, Vec<String>)>,
    /// Condition keys and where their values come from: `header:NAME`, `body:PATH` or `value:TEXT`.
    pub context: Vec<(String, String)>,
}

/// What kind of resource a service has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceType {
    /// The ARN with `${Partition}`, `${Region}`, `${Account}` and variables of the path.
    pub arn: String,
    /// Whose resource policy speaks for a resource of this type.
    pub policy: PolicyOwner,
    /// Whether identity policies of the owner's account count by themselves (DEL-1).
    pub delegation: TypeDelegation,
    /// Whether resource control policies bind it (RCP-2).
    pub resource_control: bool,
    /// What the permissions of an access control list stand for; empty when the type has none.
    pub acl: AclActions,
}

/// Whether identity policies of the owner's account count by themselves (DEL-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeDelegation {
    /// They do.
    Default,
    /// Only where the resource's own policy lets the account in.
    Explicit,
}

/// Whose resource policy speaks for a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyOwner {
    /// Nobody's: the type has no resource policies.
    None,
    /// The resource's own.
    Own,
    /// That of the containing resource, of the type with this name.
    Parent(String),
}

/// How a path is read before it is matched (rule 17 of the Envoy contract).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathMode {
    /// Whatever two readers could read differently is refused.
    Strict,
    /// The canonical form is matched; the upstream still sees the raw one.
    Normalise,
    /// The bytes are matched as they are.
    Raw,
}

/// The type of a condition key and how many values it has (KEY-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConditionKeyType {
    /// The type's name in lower case: `string`, `arn`, `numeric`, `date`, `bool`, `ip`, `binary`.
    pub name: &'static str,
    /// How many values the key has.
    pub cardinality: Cardinality,
}

/// How many values a condition key has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cardinality {
    /// One: a longer list has no answer to any test (KEY-4).
    Single,
    /// A set: it is tested with `ForAllValues` or `ForAnyValue` (SET-1).
    Multiple,
    /// As the request has it, such as a claim that is a text in one token and a list in another.
    Either,
}

/// What one kind of call means.
#[derive(Clone, Debug)]
pub struct Route {
    /// Where it is written.
    pub place: Place,
    /// `METHOD /path/{Variable}` or `grpc package.Service/Method`, as written.
    pub matcher: String,
    /// The hosts to which the route is confined; empty means those of the service.
    pub hosts: Vec<String>,
    /// The action that such a call is.
    pub action: Action,
    /// The name of a resource type or an ARN template; absent when the action has no resource.
    pub resource: Option<String>,
    /// Condition keys and where their values come from: `header:NAME`, `query:NAME`, `path:NAME`
    /// or `value:TEXT`.
    pub context: Vec<(String, String)>,
}
