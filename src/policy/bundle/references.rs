//! Names that stand twice, and references that lead nowhere.

use crate::policy::bundle::Bundle;
use crate::policy::directory::{Directory, DirectoryIndex, Identity};
use crate::policy::organization::{ControlPolicies, FULL_ACCESS, Organization};
use crate::policy::{Diagnostic, OidcProvider, Place, PolicyKind};
use std::collections::HashMap;

/// Checks what no single document can know.
pub(super) fn check(bundle: &Bundle, diagnostics: &mut Vec<Diagnostic>) {
    let directory = &bundle.directory;
    unique_names(bundle, diagnostics);
    let index = directory.index();
    for user in &directory.users {
        policies(&user.identity, &index, diagnostics);
        for group in &user.groups {
            if index.group(user.identity.account, &group.text).is_none() {
                let message = format!("there is no group `{}` in the account", group.text);
                diagnostics.push(
                    Diagnostic::warning("BND-7", group.place.clone(), message)
                        .hint("the membership grants nothing until the group exists"),
                );
            }
        }
    }
    for group in &directory.groups {
        policies(&group.identity, &index, diagnostics);
    }
    for role in &directory.roles {
        policies(&role.identity, &index, diagnostics);
        let account = directory.account(role.identity.account);
        let longest_s = account.map_or(43_200, |account| account.max_role_session_s);
        if role.max_session_s > longest_s {
            let message = format!(
                "sessions of this account's roles live {} hours at the most",
                longest_s / 3_600
            );
            let place = role.identity.place.clone();
            let fault = Diagnostic::error("ROLE-13", place, message);
            diagnostics
                .push(fault.hint("the operator raises it by `maxRoleSession` of the IamAccount"));
        }
    }
    roles(bundle, &index, diagnostics);
    for organization in &bundle.organizations {
        control_policies(organization, &index, diagnostics);
    }
}

/// The control policies of an organization's tree: of the right type, and there.
fn control_policies(
    organization: &Organization,
    index: &DirectoryIndex<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let mut nodes = vec![&organization.root];
    let mut attached: Vec<&ControlPolicies> = Vec::new();
    while let Some(node) = nodes.pop() {
        nodes.extend(&node.units);
        attached.push(&node.policies);
        attached.extend(node.accounts.iter().map(|member| &member.policies));
    }
    for policies in attached {
        let service = policies.service.iter().flatten();
        let all = service
            .map(|reference| (reference, PolicyKind::ServiceControl))
            .chain(
                policies
                    .resource
                    .iter()
                    .map(|reference| (reference, PolicyKind::ResourceControl)),
            );
        for (reference, kind) in all {
            let text = reference.text.as_str();
            let built_in = kind == PolicyKind::ServiceControl && FULL_ACCESS.contains(&text);
            match index.policy(organization.management, text) {
                Some(policy) if policy.policy.kind == kind => {}
                Some(_) => {
                    let message = format!("`{text}` is a policy of another type");
                    diagnostics.push(Diagnostic::error("BND-7", reference.place.clone(), message));
                }
                None if built_in => {}
                None => {
                    let message = format!("there is no managed policy `{text}`");
                    let hint = "until it exists everything below this node is denied";
                    diagnostics.push(
                        Diagnostic::warning("BND-7", reference.place.clone(), message).hint(hint),
                    );
                }
            }
        }
    }
}

fn policies(identity: &Identity, index: &DirectoryIndex<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let all = identity.attached.iter().chain(&identity.boundary);
    for reference in all {
        let policy = index.policy(identity.account, &reference.text);
        if policy.is_some_and(|policy| policy.policy.kind != PolicyKind::Identity) {
            let message = format!("`{}` is a control policy", reference.text);
            let hint = "attach it at a node of an IamOrganization";
            diagnostics
                .push(Diagnostic::error("BND-7", reference.place.clone(), message).hint(hint));
        }
    }
    for reference in &identity.attached {
        if index.policy(identity.account, &reference.text).is_none() {
            let message = format!("there is no managed policy `{}`", reference.text);
            diagnostics.push(
                Diagnostic::warning("BND-7", reference.place.clone(), message)
                    .hint("the attachment grants nothing until the policy exists"),
            );
        }
    }
    if let Some(boundary) = &identity.boundary
        && index.policy(identity.account, &boundary.text).is_none()
    {
        let message = format!(
            "there is no managed policy `{}` for the boundary",
            boundary.text
        );
        diagnostics.push(
            Diagnostic::warning("BND-7", boundary.place.clone(), message)
                .hint("until the policy exists the boundary denies everything"),
        );
    }
}

/// The roles that providers and peers give.
fn roles(bundle: &Bundle, index: &DirectoryIndex<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let mut check = |account, role: &str, place: &Place| {
        if index.role(account, role).is_none() {
            let message = format!("there is no role `{role}`");
            diagnostics.push(
                Diagnostic::warning("BND-7", place.clone(), message)
                    .hint("callers that would get it are refused until it exists"),
            );
        }
    };
    for provider in &bundle.providers {
        let rules = provider.roles.iter().map(|rule| &rule.role);
        let named = rules
            .chain(&provider.allowed_roles)
            .chain(&provider.default_role);
        for role in named {
            check(provider.account, role, &provider.place);
        }
    }
    for peer in &bundle.peers {
        check(peer.account, &peer.role, &peer.place);
    }
    for peer in &bundle.peers {
        let role = index.role(peer.account, &peer.role);
        if role.is_some_and(|role| role.identity.account != peer.account) {
            let message = format!("the role `{}` is of another account", peer.role);
            let hint = "a certificate stands for a role of the account that says so";
            diagnostics.push(Diagnostic::error("MTL-02", peer.place.clone(), message).hint(hint));
        }
    }
}

fn unique_names(bundle: &Bundle, diagnostics: &mut Vec<Diagnostic>) {
    let Directory {
        accounts,
        users,
        groups,
        roles,
        policies,
    } = &bundle.directory;
    let mut seen = Seen {
        places: HashMap::new(),
        diagnostics,
    };
    for account in accounts {
        seen.add("account", account.id.to_string(), &account.place);
    }
    for (kind, identity) in users
        .iter()
        .map(|user| ("user", &user.identity))
        .chain(groups.iter().map(|group| ("group", &group.identity)))
        .chain(roles.iter().map(|role| ("role", &role.identity)))
    {
        // LIM-4: names are unique in an account ignoring case.
        let name = format!(
            "{}/{}",
            identity.account,
            identity.name.to_ascii_lowercase()
        );
        seen.add(kind, name, &identity.place);
    }
    for policy in policies {
        let owner = policy
            .account
            .map_or_else(|| "aws".to_owned(), |id| id.to_string());
        let name = format!("{owner}/{}", policy.name.to_ascii_lowercase());
        seen.add("managed policy", name, &policy.place);
    }
    for provider in &bundle.providers {
        seen.add("issuer", provider.issuer.clone(), &provider.place);
    }
    for organization in &bundle.organizations {
        seen.add("organization", organization.id.clone(), &organization.place);
        let mut nodes = vec![&organization.root];
        while let Some(node) = nodes.pop() {
            nodes.extend(&node.units);
            seen.add("organization node", node.id.clone(), &organization.place);
            for member in &node.accounts {
                seen.add(
                    "account of an organization",
                    member.id.to_string(),
                    &member.place,
                );
            }
        }
    }
    for resource in &bundle.resources {
        seen.add("resource", resource.arn.clone(), &resource.place);
        if let Some(endpoint) = &resource.endpoint {
            seen.add("endpoint", endpoint.id.clone(), &resource.place);
        }
    }
    for service in &bundle.services {
        seen.add("service", service.name.clone(), &service.place);
        seen.add("service prefix", service.prefix.clone(), &service.place);
    }
    // The keys of an issuer begin with its name, and no route may set them.
    for service in &bundle.services {
        let own = |provider: &&OidcProvider| {
            let name = provider.issuer.strip_prefix("https://");
            name.is_some_and(|name| name.eq_ignore_ascii_case(&service.prefix))
        };
        if let Some(provider) = bundle.providers.iter().find(own) {
            let message = format!(
                "the prefix `{}` is the name of the issuer at {}",
                service.prefix, provider.place
            );
            seen.diagnostics
                .push(Diagnostic::error("BND-6", service.place.clone(), message));
        }
    }
    for key in users
        .iter()
        .flat_map(|user| user.access_keys.iter().map(move |key| (user, key)))
    {
        seen.add("access key", key.1.id.clone(), &key.0.identity.place);
    }
}

struct Seen<'d> {
    places: HashMap<(&'static str, String), Place>,
    diagnostics: &'d mut Vec<Diagnostic>,
}

impl Seen<'_> {
    fn add(&mut self, kind: &'static str, name: String, place: &Place) {
        match self.places.entry((kind, name)) {
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(place.clone());
            }
            std::collections::hash_map::Entry::Occupied(entry) => {
                let message = format!(
                    "the {kind} `{}` is defined at {} already",
                    entry.key().1,
                    entry.get()
                );
                self.diagnostics
                    .push(Diagnostic::error("BND-6", place.clone(), message));
            }
        }
    }
}
