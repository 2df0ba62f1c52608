//! From a tree of values to a policy document, with every fault that the grammar knows.

mod conditions;
mod principals;
mod resources;
mod review;

use crate::policy::document::{ActionPattern, Effect, Element, Policy, PolicyKind, Statement};
use crate::policy::findings::Findings;
use crate::policy::keys::Keys;
use crate::policy::node::{Mark, Member, Node, Value};
use crate::policy::{Diagnostic, json};
use std::collections::HashSet;

const TRUST_ACTIONS: &[&str] = &[
    "assumerole",
    "assumerolewithsaml",
    "assumerolewithwebidentity",
    "tagsession",
    "setsourceidentity",
    "setcontext",
];

impl Policy {
    /// Reads a document by the grammar of `kind`.
    ///
    /// Everything that is wrong or doubtful goes to `findings`; `None` means that at least one
    /// finding is an error, and that nothing of the document may be used.
    #[must_use]
    pub fn parse(
        node: &Node,
        kind: PolicyKind,
        keys: &Keys,
        findings: &mut Findings,
    ) -> Option<Self> {
        let before = findings.errors();
        check_characters(node, findings);
        let policy = Reader {
            kind,
            keys,
            variables: false,
            findings,
        }
        .policy(node);
        if findings.errors() == before {
            policy
        } else {
            None
        }
    }

    /// Reads a document that came as JSON text with a request, such as a session policy.
    ///
    /// # Errors
    ///
    /// Every finding, when at least one of them is an error.
    pub fn parse_json(text: &str, kind: PolicyKind, keys: &Keys) -> Result<Self, Vec<Diagnostic>> {
        let mut findings = Findings::new("the policy");
        let policy = match json::parse(text) {
            Ok(node) => Self::parse(&node, kind, keys, &mut findings),
            Err(fault) => {
                findings.syntax(fault);
                None
            }
        };
        policy.ok_or_else(|| findings.into_list())
    }
}

/// DOC-4 and DOC-5: no nulls, no control characters; characters that AWS does not store are
/// doubtful.
fn check_characters(root: &Node, findings: &mut Findings) {
    let mut pending = vec![root];
    let mut portable = true;
    while let Some(node) = pending.pop() {
        match &node.value {
            Value::Null => findings.error("DOC-4", node.mark, "null is not allowed"),
            Value::Text(text) => portable &= check_text(text, node.mark, findings),
            Value::List(items) => pending.extend(items.iter().rev()),
            Value::Map(members) => {
                for member in members {
                    portable &= check_text(&member.name, member.mark, findings);
                }
                pending.extend(members.iter().rev().map(|member| &member.value));
            }
            Value::Bool(_) | Value::Number(_) => {}
        }
    }
    if !portable {
        let message = "characters above U+00FF: AWS would not store this document";
        findings.warning("DOC-5", root.mark, message);
    }
}

fn check_text(text: &str, mark: Mark, findings: &mut Findings) -> bool {
    if text
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r'))
    {
        findings.error("DOC-5", mark, "a control character stands in a string");
    }
    text.chars().all(|c| c <= '\u{ff}')
}

struct Reader<'a> {
    kind: PolicyKind,
    keys: &'a Keys,
    variables: bool,
    findings: &'a mut Findings,
}

impl Reader<'_> {
    fn policy(&mut self, node: &Node) -> Option<Policy> {
        let Some(members) = node.members() else {
            let message = format!("a policy document is a mapping, not {}", node.kind());
            self.findings.error("DOC-1", node.mark, message);
            return None;
        };
        for member in members {
            if !matches!(member.name.as_str(), "Version" | "Id" | "Statement") {
                let message = format!("`{}` is not an element of a policy document", member.name);
                let hint = near(&member.name, &["Version", "Id", "Statement"]);
                self.findings
                    .error_with_hint("DOC-3", member.mark, message, hint);
            }
        }
        self.variables = self.version(node);
        let id = self.id(node);
        let statements = self.statements(node)?;
        Some(Policy {
            place: self.findings.place(node.mark),
            kind: self.kind,
            variables: self.variables,
            characters: node.characters(),
            id,
            statements,
        })
    }

    /// DOC-11 to DOC-13: whether the document has variables.
    fn version(&mut self, node: &Node) -> bool {
        let organization = matches!(
            self.kind,
            PolicyKind::ServiceControl | PolicyKind::ResourceControl
        );
        let Some(version) = node.member("Version") else {
            let hint = "write `Version: \"2012-10-17\"`";
            if organization {
                let message = format!("{} must declare its version", self.kind.in_words());
                self.findings
                    .error_with_hint("DOC-13", node.mark, message, hint);
            } else {
                let message = "without `Version` the document is read as of 2008-10-17";
                self.findings
                    .warning_with_hint("DOC-11", node.mark, message, hint);
            }
            return organization;
        };
        match version.text() {
            Some("2012-10-17") => return true,
            Some("2008-10-17") if organization => {
                let message = format!("{} must declare 2012-10-17", self.kind.in_words());
                self.findings.error("DOC-13", version.mark, message);
            }
            Some("2008-10-17") => return false,
            _ => {
                let message = "the version is `2012-10-17` or `2008-10-17`, as a string";
                self.findings.error("DOC-11", version.mark, message);
            }
        }
        true
    }

    fn id(&mut self, node: &Node) -> Option<String> {
        let id = node.member("Id")?;
        if !self.kind.has_id() {
            let message = format!("`Id` is not allowed in {}", self.kind.in_words());
            self.findings.error("DOC-14", id.mark, message);
        }
        let text = id.text();
        if text.is_none() {
            self.findings
                .error("DOC-14", id.mark, "`Id` must be a string");
        }
        text.map(str::to_owned)
    }

    fn statements(&mut self, node: &Node) -> Option<Vec<Statement>> {
        let Some(element) = node.member("Statement") else {
            self.findings
                .error("DOC-10", node.mark, "`Statement` is missing");
            return None;
        };
        let items = match &element.value {
            Value::Map(_) => std::slice::from_ref(element),
            Value::List(items) if items.is_empty() => {
                let message = "`Statement` is empty: a policy has at least one statement";
                self.findings.error("DOC-9", element.mark, message);
                return None;
            }
            Value::List(items) => items.as_slice(),
            _ => {
                let message = "`Statement` is a mapping or a list of mappings";
                self.findings.error("DOC-6", element.mark, message);
                return None;
            }
        };
        let mut sids = HashSet::new();
        let statements: Vec<Option<Statement>> = items
            .iter()
            .map(|item| self.statement(item, &mut sids))
            .collect();
        statements.into_iter().collect()
    }

    fn statement(&mut self, node: &Node, sids: &mut HashSet<String>) -> Option<Statement> {
        let Some(members) = node.members() else {
            let message = format!("a statement is a mapping, not {}", node.kind());
            self.findings.error("DOC-6", node.mark, message);
            return None;
        };
        self.element_names(members);
        let sid = self.sid(node, sids);
        let effect = self.effect(node);
        let principal = self.principal(node, effect);
        let action = self.action(node);
        let resource = self.resource(node, effect);
        let conditions = self.conditions(node);
        if let Some(effect) = effect {
            self.review(
                node,
                effect,
                principal.as_ref(),
                action.as_ref(),
                &conditions,
            );
        }
        Some(Statement {
            place: self.findings.place(node.mark),
            sid,
            effect: effect?,
            principal,
            action: action?,
            resource,
            conditions,
        })
    }

    fn element_names(&mut self, members: &[Member]) {
        const NAMES: &[&str] = &[
            "Sid",
            "Effect",
            "Principal",
            "NotPrincipal",
            "Action",
            "NotAction",
            "Resource",
            "NotResource",
            "Condition",
        ];
        for member in members {
            if !NAMES.contains(&member.name.as_str()) {
                let message = format!("`{}` is not an element of a statement", member.name);
                let hint = near(&member.name, NAMES);
                self.findings
                    .error_with_hint("DOC-3", member.mark, message, hint);
            }
        }
        for (plain, negated) in [
            ("Principal", "NotPrincipal"),
            ("Action", "NotAction"),
            ("Resource", "NotResource"),
        ] {
            let both = members
                .iter()
                .filter(|m| m.name == plain || m.name == negated)
                .nth(1);
            if let Some(second) = both {
                let message = format!("`{plain}` and `{negated}` may not stand together");
                self.findings.error("DOC-15", second.mark, message);
            }
        }
    }

    /// DOC-16.
    fn sid(&mut self, node: &Node, sids: &mut HashSet<String>) -> Option<String> {
        let sid = node.member("Sid")?;
        let Some(text) = sid.text() else {
            self.findings
                .error("DOC-16", sid.mark, "`Sid` must be a string");
            return None;
        };
        if text.is_empty() {
            self.findings.warning(
                "DOC-16",
                sid.mark,
                "the `Sid` is empty and counts as absent",
            );
            return None;
        }
        if text.contains("${") {
            let message = "a `Sid` may hold no variables";
            self.findings.error("VAR-2", sid.mark, message);
            return None;
        }
        let narrow = !matches!(self.kind, PolicyKind::Resource | PolicyKind::Endpoint);
        if narrow && !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            let message = format!("the `Sid` `{text}` may hold only letters and digits");
            self.findings.error("DOC-16", sid.mark, message);
        }
        if !sids.insert(text.to_owned()) {
            let message = format!("the `Sid` `{text}` stands in this document for the second time");
            self.findings.error("DOC-16", sid.mark, message);
        }
        Some(text.to_owned())
    }

    /// DOC-17, TYP-1.
    fn effect(&mut self, node: &Node) -> Option<Effect> {
        let Some(element) = node.member("Effect") else {
            self.findings
                .error("DOC-17", node.mark, "`Effect` is missing");
            return None;
        };
        match element.text() {
            Some("Allow") if self.kind == PolicyKind::ResourceControl && !is_full_access(node) => {
                let message = "a resource control policy can only deny";
                self.findings.error("TYP-1", element.mark, message);
                None
            }
            Some("Allow") => Some(Effect::Allow),
            Some("Deny") => Some(Effect::Deny),
            _ => {
                let message = "`Effect` is exactly `Allow` or `Deny`";
                self.findings.error("DOC-17", element.mark, message);
                None
            }
        }
    }

    /// A string or a list of strings, each with its place (DOC-6).
    fn strings<'n>(&mut self, name: &str, node: &'n Node) -> Vec<(&'n str, Mark)> {
        let items = match &node.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut strings = Vec::with_capacity(items.len());
        for item in items {
            if let Some(text) = item.text() {
                strings.push((text, item.mark));
                continue;
            }
            let message = format!(
                "`{name}` is a string or a list of strings, not {}",
                item.kind()
            );
            if matches!(item.value, Value::List(_) | Value::Map(_)) {
                self.findings.error("DOC-6", item.mark, message);
            } else {
                self.findings
                    .error_with_hint("DOC-7", item.mark, message, "put it in quotes");
            }
        }
        strings
    }

    /// The plain or the negated form of an element, with its strings.
    fn pair<'n>(
        &mut self,
        node: &'n Node,
        plain: &'static str,
        negated: &'static str,
    ) -> Option<Element<(&'n str, Mark)>> {
        let (name, element, is_negated) = match (node.member(plain), node.member(negated)) {
            (Some(element), _) => (plain, element, false),
            (None, Some(element)) => (negated, element, true),
            (None, None) => return None,
        };
        let entries = self.strings(name, element);
        if element.items().is_some_and(<[Node]>::is_empty) {
            if is_negated {
                let message = format!("`{name}` is empty and would match everything");
                self.findings.error("DOC-9", element.mark, message);
            } else {
                let message = format!("`{name}` is empty and matches nothing");
                self.findings.warning("DOC-9", element.mark, message);
            }
        }
        Some(Element {
            negated: is_negated,
            entries,
        })
    }

    fn action(&mut self, node: &Node) -> Option<Element<ActionPattern>> {
        let Some(pair) = self.pair(node, "Action", "NotAction") else {
            self.findings
                .error("TYP-1", node.mark, "`Action` or `NotAction` is missing");
            return None;
        };
        let mut entries = Vec::with_capacity(pair.entries.len());
        for (text, mark) in &pair.entries {
            let entry = ActionPattern::parse(text, *mark, self.findings);
            if self.kind == PolicyKind::ResourceControl
                && entry == Some(ActionPattern::All)
                && !is_full_access(node)
            {
                let message = "a resource control policy names a service in each action";
                self.findings.error("TYP-3", *mark, message);
            }
            if self.kind == PolicyKind::Trust {
                self.trust_action(entry.as_ref(), text, *mark);
            }
            entries.extend(entry);
        }
        if pair.negated && self.kind == PolicyKind::ResourceControl {
            let message = "`NotAction` is not allowed in a resource control policy";
            self.findings.error("TYP-1", node.mark, message);
        }
        Some(Element {
            negated: pair.negated,
            entries,
        })
    }

    /// TYP-6: actions that have no meaning in a trust policy.
    fn trust_action(&mut self, entry: Option<&ActionPattern>, text: &str, mark: Mark) {
        let known = match entry {
            Some(ActionPattern::Named { prefix, name }) => {
                prefix == "sts" && TRUST_ACTIONS.contains(&name.as_str())
            }
            Some(ActionPattern::All) => false,
            None => return,
        };
        if !known {
            let message = format!("`{text}` is no action by which a role is assumed");
            self.findings.warning("TYP-6", mark, message);
        }
    }
}

/// Whether a statement is that of the built-in resource control policy, which stored organizations
/// list beside their own (RCP-4).
fn is_full_access(node: &Node) -> bool {
    let is = |name: &str, text: &str| node.member(name).and_then(Node::text) == Some(text);
    is("Effect", "Allow")
        && is("Principal", "*")
        && is("Action", "*")
        && is("Resource", "*")
        && node.member("Condition").is_none()
}

/// Advice for a misspelt name.
fn near(name: &str, known: &[&str]) -> String {
    match known
        .iter()
        .find(|candidate| candidate.eq_ignore_ascii_case(name))
    {
        Some(candidate) => format!("names are case-sensitive: write `{candidate}`"),
        None => format!("known are {}", known.join(", ")),
    }
}
