//! `IamService`.

use crate::model::{Action, ContextKey};
use crate::policy::bundle::{operation, s3, signing};
use crate::policy::fields::{Fields, string};
use crate::policy::findings::Findings;
use crate::policy::node::{Mark, Member, Node};
use crate::policy::resource_record::Permission;
use crate::policy::{
    ActionPattern, Cardinality, ConditionKeyType, PathMode, PolicyOwner, ResourceType, Route,
    Service, ServiceProtocol, TypeDelegation,
};
use std::collections::BTreeMap;

const KEY_TYPES: &[&str] = &["string", "arn", "numeric", "date", "bool", "ip", "binary"];

pub(super) fn read(name: &str, spec: &Node, findings: &mut Findings) -> Option<Service> {
    let mut fields = Fields::of(spec, "`spec` of an IamService", findings)?;
    let prefix = fields
        .required_text("prefix", findings)
        .and_then(|p| prefix(p, findings));
    let account = match fields.take("account") {
        Some(_) => fields.account("account", findings),
        None => None,
    };
    let partition = fields
        .text("partition", findings)
        .map_or("aws", |(text, _)| text);
    let region = fields
        .text("region", findings)
        .map(|(text, _)| text.to_owned());
    let hosts = hosts(&mut fields, findings);
    let paths = match fields.text("paths", findings) {
        None | Some(("strict", _)) => PathMode::Strict,
        Some(("normalise", _)) => PathMode::Normalise,
        Some(("raw", _)) => PathMode::Raw,
        Some((_, mark)) => {
            findings.error("BND-5", mark, "`paths` is `strict`, `normalise` or `raw`");
            PathMode::Strict
        }
    };
    let protocol = operation::protocol(&mut fields, findings);
    let is_s3 = protocol == ServiceProtocol::S3;
    if is_s3 && paths == PathMode::Normalise {
        let message = "keys of S3 are never normalised: `paths` is `strict` or `raw`";
        findings.error("BND-5", spec.mark, message);
    }
    let resources = resource_types(&mut fields, is_s3, findings);
    // What is no mapping must not read as no keys.
    fields.mapping("conditionKeys", findings);
    let condition_keys = declared(condition_keys_of(spec, findings), spec.mark, findings);
    let prefix_text = prefix.clone().unwrap_or_default();
    let actions = actions("actions", &prefix_text, &mut fields, findings);
    let no_permission = self::actions("noPermission", &prefix_text, &mut fields, findings);
    let log_delivery = fields
        .text("logDelivery", findings)
        .map(|(text, _)| text.to_owned());
    let encoded_denials = fields.flag("encodedDenials", findings);
    let routes = fields.list("routes", findings);
    let routes: Vec<Route> = routes
        .iter()
        .filter_map(|node| route(node, &prefix_text, findings))
        .collect();
    if !routes.is_empty() && protocol != ServiceProtocol::Routes {
        let message = "a service has a `protocol` or `routes`, not both";
        findings.error("BND-4", spec.mark, message);
    }
    if is_s3 && prefix_text != "s3" {
        let message = "the prefix of a service with `protocol: s3` is `s3`";
        findings.error("BND-5", spec.mark, message);
    }
    let operations = operation::read(&mut fields, &protocol, &prefix_text, findings);
    let signing = signing::read(
        &mut fields,
        is_s3,
        &prefix_text,
        region.as_deref(),
        findings,
    );
    fields.finish(findings);
    Some(Service {
        place: findings.place(spec.mark),
        name: name.to_owned(),
        prefix: prefix?,
        account,
        partition: partition.to_owned(),
        region,
        hosts,
        paths,
        resources,
        actions,
        no_permission,
        log_delivery,
        encoded_denials,
        condition_keys,
        protocol,
        routes,
        operations,
        signing,
    })
}

/// The keys by name; two spellings of one are a fault (KEY-1).
fn declared(
    keys: Vec<(ContextKey, ConditionKeyType)>,
    mark: Mark,
    findings: &mut Findings,
) -> BTreeMap<ContextKey, ConditionKeyType> {
    let mut declared = BTreeMap::new();
    for (key, kind) in keys {
        if declared.insert(key.clone(), kind).is_some() {
            let message = format!("the condition key `{key}` is declared twice");
            let hint = "the names of condition keys are the same in any letter case";
            findings.error_with_hint("KEY-1", mark, message, hint);
        }
    }
    declared
}

/// Prefixes whose keys and actions have a meaning of their own.
const RESERVED: &[&str] = &["aws", "iam", "saml", "sidegate", "sts"];

fn prefix((text, mark): (&str, Mark), findings: &mut Findings) -> Option<String> {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if RESERVED.contains(&text) {
        let message = format!("the prefix `{text}` is reserved");
        findings.error_with_hint("BND-5", mark, message, "choose one of your own");
        return None;
    }
    if !text.is_empty() && text.bytes().all(fits) {
        return Some(text.to_owned());
    }
    let message = format!("`{text}` is not a service prefix");
    findings.error_with_hint("BND-5", mark, message, "lower-case letters, digits and `-`");
    None
}

/// A list of actions, with the prefix or without.
fn actions(
    name: &'static str,
    prefix: &str,
    fields: &mut Fields<'_>,
    findings: &mut Findings,
) -> Vec<Action> {
    let texts = fields.texts(name, findings);
    texts
        .into_iter()
        .filter_map(|(text, mark)| {
            let full = if text.contains(':') {
                text.to_owned()
            } else {
                format!("{prefix}:{text}")
            };
            action(&full, prefix, mark, findings)
        })
        .collect()
}

fn hosts(fields: &mut Fields<'_>, findings: &mut Findings) -> Vec<String> {
    let hosts = fields.texts("hosts", findings);
    hosts
        .into_iter()
        .map(|(text, _)| text.to_ascii_lowercase())
        .collect()
}

/// The types of resources; those of a protocol that has its own are not written.
fn resource_types(
    fields: &mut Fields<'_>,
    is_s3: bool,
    findings: &mut Findings,
) -> BTreeMap<String, ResourceType> {
    let mark = fields.mark();
    let members = fields.mapping("resources", findings);
    let resources: BTreeMap<String, ResourceType> = members
        .iter()
        .filter_map(|member| resource_type(member, findings))
        .collect();
    if is_s3 {
        if !members.is_empty() {
            let message = "the resources of a service with `protocol: s3` are buckets and objects";
            findings.error("BND-4", mark, message);
        }
        return s3::resource_types();
    }
    for resource in resources.values() {
        if let PolicyOwner::Parent(parent) = &resource.policy
            && !resources.contains_key(parent)
        {
            let message = format!("there is no resource type `{parent}`");
            findings.error_with_hint(
                "BND-7",
                mark,
                message,
                "`policy` is `own`, `none` or a type",
            );
        }
    }
    resources
}

fn resource_type(member: &Member, findings: &mut Findings) -> Option<(String, ResourceType)> {
    let mut fields = Fields::of(&member.value, "a resource type", findings)?;
    let arn = fields.required_text("arn", findings);
    let policy = match fields.text("policy", findings) {
        None | Some(("none", _)) => PolicyOwner::None,
        Some(("own", _)) => PolicyOwner::Own,
        Some((parent, _)) => PolicyOwner::Parent(parent.to_owned()),
    };
    let delegation = match fields.text("delegation", findings) {
        None | Some(("default", _)) => TypeDelegation::Default,
        Some(("explicit", _)) => TypeDelegation::Explicit,
        Some((_, mark)) => {
            findings.error("DEL-1", mark, "`delegation` is `default` or `explicit`");
            TypeDelegation::Explicit
        }
    };
    let resource_control = match fields.text("resourceControlPolicies", findings) {
        None | Some(("apply", _)) => true,
        Some(("ignore", _)) => false,
        Some((_, mark)) => {
            let message = "`resourceControlPolicies` is `apply` or `ignore`";
            findings.error("RCP-2", mark, message);
            true
        }
    };
    let acl = fields.mapping("acl", findings);
    let acl = acl
        .iter()
        .filter_map(|member| acl_actions(member, findings))
        .collect();
    fields.finish(findings);
    Some((
        member.name.clone(),
        ResourceType {
            arn: arn?.0.to_owned(),
            policy,
            delegation,
            resource_control,
            acl,
        },
    ))
}

/// What one permission of an access control list stands for (ACL-4).
fn acl_actions(
    member: &Member,
    findings: &mut Findings,
) -> Option<(Permission, Vec<ActionPattern>)> {
    let permission = Permission::parse(&member.name).filter(|p| *p != Permission::FullControl);
    if permission.is_none() {
        let message = format!(
            "`{}` is not a permission that stands for actions",
            member.name
        );
        let hint = "`READ`, `WRITE`, `READ_ACP` and `WRITE_ACP`; `FULL_CONTROL` is all of them";
        findings.error_with_hint("ACL-4", member.mark, message, hint);
    }
    let mut actions = Vec::new();
    for item in member.value.items().unwrap_or_default() {
        if let Some((text, mark)) = string(item, &member.name, findings) {
            actions.extend(ActionPattern::parse(text, mark, findings));
        }
    }
    if actions.is_empty() {
        let message = format!("`{}` is a list of actions", member.name);
        findings.error("ACL-4", member.value.mark, message);
    }
    Some((permission?, actions))
}

/// The condition keys of a whole document, for reading policies by them.
pub(super) fn condition_keys(
    document: &Node,
    findings: &mut Findings,
) -> Vec<(ContextKey, ConditionKeyType)> {
    document
        .member("spec")
        .map(|spec| condition_keys_of(spec, findings))
        .unwrap_or_default()
}

fn condition_keys_of(spec: &Node, findings: &mut Findings) -> Vec<(ContextKey, ConditionKeyType)> {
    let prefix = spec
        .member("prefix")
        .and_then(Node::text)
        .unwrap_or_default();
    let members = spec
        .member("conditionKeys")
        .and_then(Node::members)
        .unwrap_or_default();
    let mut keys = match spec.member("protocol").and_then(Node::text) {
        Some("s3") => s3::condition_keys(),
        _ => Vec::new(),
    };
    for Member { name, mark, value } in members {
        if name
            .split_once(':')
            .is_none_or(|(before, key)| before != prefix || key.is_empty())
        {
            let message = format!("the condition key `{name}` has not the prefix of its service");
            findings.error_with_hint("KEY-3", *mark, message, format!("write `{prefix}:Name`"));
        }
        let Some(mut fields) = Fields::of(value, "a condition key", findings) else {
            continue;
        };
        let kind = fields.required_text("type", findings);
        let cardinality = if fields.flag("multiple", findings) {
            Cardinality::Multiple
        } else {
            Cardinality::Single
        };
        fields.finish(findings);
        let Some((kind, mark)) = kind else { continue };
        if let Some(known) = KEY_TYPES
            .iter()
            .find(|known| known.eq_ignore_ascii_case(kind))
        {
            keys.push((
                ContextKey::new(name),
                ConditionKeyType {
                    name: known,
                    cardinality,
                },
            ));
            continue;
        }
        let message = format!("`{kind}` is not a type of condition keys");
        let hint = "`String`, `ARN`, `Numeric`, `Date`, `Bool`, `IP` or `Binary`";
        findings.error_with_hint("KEY-3", mark, message, hint);
    }
    keys
}

fn route(node: &Node, prefix: &str, findings: &mut Findings) -> Option<Route> {
    let mut fields = Fields::of(node, "a route", findings)?;
    let matcher = fields.required_text("match", findings);
    let hosts = hosts(&mut fields, findings);
    let action_text = fields.required_text("action", findings);
    let resource = fields
        .text("resource", findings)
        .map(|(text, _)| text.to_owned());
    let context = fields.mapping("context", findings);
    let context: Vec<(String, String)> = context
        .iter()
        .filter_map(|member| {
            let (text, _) = string(&member.value, &member.name, findings)?;
            Some((member.name.clone(), text.to_owned()))
        })
        .collect();
    fields.finish(findings);
    let (text, mark) = action_text?;
    Some(Route {
        place: findings.place(node.mark),
        matcher: matcher?.0.to_owned(),
        hosts,
        action: action(text, prefix, mark, findings)?,
        resource,
        context,
    })
}

pub(super) fn action(
    text: &str,
    prefix: &str,
    mark: Mark,
    findings: &mut Findings,
) -> Option<Action> {
    match Action::parse(text) {
        Ok(action) if action.prefix() == prefix => Some(action),
        Ok(_) => {
            let message = format!("the action `{text}` has not the prefix of its service");
            findings.error_with_hint("ACT-7", mark, message, format!("write `{prefix}:Name`"));
            None
        }
        Err(fault) => {
            findings.error("ACT-7", mark, fault.to_string());
            None
        }
    }
}
