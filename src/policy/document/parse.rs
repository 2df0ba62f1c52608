//! From a tree of values to a policy document, with every fault that the grammar knows.

mod review;

use crate::model::{ContextKey, Timestamp};
use crate::policy::Cardinality;
use crate::policy::decimal::Decimal;
use crate::policy::document::{
    ActionPattern, Base, Condition, ConditionValue, Effect, Element, Policy, PolicyKind,
    PrincipalEntry, Qualifier, ResourcePattern, Statement,
};
use crate::policy::findings::Findings;
use crate::policy::ip_range::IpRange;
use crate::policy::keys::Keys;
use crate::policy::node::{Mark, Member, Node, Value};
use crate::policy::template::{Syntax, Template};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
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

    fn resource(
        &mut self,
        node: &Node,
        effect: Option<Effect>,
    ) -> Option<Element<ResourcePattern>> {
        let pair = self.pair(node, "Resource", "NotResource");
        let Some(pair) = pair else {
            let required = matches!(
                self.kind,
                PolicyKind::Identity | PolicyKind::ServiceControl | PolicyKind::ResourceControl
            );
            if required {
                self.findings
                    .error("TYP-1", node.mark, "`Resource` or `NotResource` is missing");
            }
            return None;
        };
        if self.kind == PolicyKind::Trust {
            let message = "a trust policy has no `Resource`: it is about its own role";
            self.findings.error("TYP-1", node.mark, message);
        }
        let entries: Vec<ResourcePattern> = pair
            .entries
            .iter()
            .filter_map(|(text, mark)| {
                ResourcePattern::parse(text, self.kind, self.variables, *mark, self.findings)
            })
            .collect();
        self.old_variables(&pair.entries);
        for (entry, (text, mark)) in entries.iter().zip(&pair.entries) {
            let multiple = entry
                .variable_part()
                .into_iter()
                .flat_map(Template::variables)
                .any(|key| self.keys.cardinality(key) == Cardinality::Multiple);
            if multiple {
                let message = format!("`{text}`: a key with several values cannot be a variable");
                self.findings.error("VAR-4", *mark, message);
            }
            if pair.negated && *entry == ResourcePattern::All {
                let message = "`NotResource` with `*` never matches";
                self.findings.warning("RES-10", *mark, message);
            }
        }
        if pair.negated && effect == Some(Effect::Allow) {
            let message = "`Allow` with `NotResource` reaches every resource that is not listed";
            let hint = "list the resources in `Resource`";
            self.findings
                .warning_with_hint("RES-10", node.mark, message, hint);
        }
        Some(Element {
            negated: pair.negated,
            entries,
        })
    }

    /// DOC-12: variables that are not variables.
    fn old_variables(&mut self, texts: &[(&str, Mark)]) {
        if self.variables {
            return;
        }
        for (text, mark) in texts {
            if text.contains("${") {
                let message = format!("`{text}`: `${{` is plain text in a document of 2008-10-17");
                let hint = "declare 2012-10-17 if a variable is meant";
                self.findings
                    .warning_with_hint("DOC-12", *mark, message, hint);
            }
        }
    }

    fn principal(
        &mut self,
        node: &Node,
        effect: Option<Effect>,
    ) -> Option<Element<PrincipalEntry>> {
        let (element, negated) = match (node.member("Principal"), node.member("NotPrincipal")) {
            (Some(element), _) => (element, false),
            (None, Some(element)) => (element, true),
            (None, None) => {
                if self.kind.has_principal() {
                    self.findings
                        .error("TYP-1", node.mark, "`Principal` is missing");
                }
                return None;
            }
        };
        if !self.kind.has_principal() {
            let message = format!("`Principal` is not allowed in {}", self.kind.in_words());
            let hint = "the principal is whoever the policy is attached to";
            self.findings
                .error_with_hint("TYP-1", element.mark, message, hint);
            return None;
        }
        let entries = self.principal_entries(element, negated);
        let everyone = entries.contains(&PrincipalEntry::Everyone);
        if self.kind == PolicyKind::ResourceControl && (negated || element.text() != Some("*")) {
            let message = "in a resource control policy `Principal` is exactly `*`";
            self.findings.error("TYP-1", element.mark, message);
        }
        if self.kind == PolicyKind::Trust && everyone && effect == Some(Effect::Allow) {
            let message = "a trust policy may not let everyone in";
            let hint = "name the accounts, users, roles, services or providers";
            self.findings
                .error_with_hint("PRI-9", element.mark, message, hint);
        }
        if self.kind == PolicyKind::Endpoint
            && entries.iter().any(|e| *e != PrincipalEntry::Everyone)
        {
            let message = "an endpoint policy usually names `*` and restricts by condition";
            self.findings.warning("PRI-13", element.mark, message);
        }
        if negated {
            self.not_principal(element, effect, &entries);
        }
        Some(Element { negated, entries })
    }

    fn principal_entries(&mut self, element: &Node, negated: bool) -> Vec<PrincipalEntry> {
        let members = match &element.value {
            Value::Text(text) if text == "*" => return vec![PrincipalEntry::Everyone],
            Value::Map(members) => members.as_slice(),
            _ => {
                let message = "`Principal` is `*`, or a mapping such as `AWS: \"210000000001\"`";
                self.findings.error("PRI-1", element.mark, message);
                return Vec::new();
            }
        };
        let mut entries = Vec::new();
        let mut count = 0;
        for member in members {
            if !PrincipalEntry::MEMBERS.contains(&member.name.as_str()) {
                let message = format!("`{}` is not a kind of principal", member.name);
                let hint = near(&member.name, PrincipalEntry::MEMBERS);
                self.findings
                    .error_with_hint("PRI-1", member.mark, message, hint);
                continue;
            }
            let texts = self.strings(&member.name, &member.value);
            if texts.is_empty() && member.value.items().is_some() && members.len() > 1 {
                let message = format!("`{}` is empty and matches nobody", member.name);
                self.findings.warning("DOC-9", member.mark, message);
            }
            count += texts.len();
            for (text, mark) in texts {
                entries.extend(PrincipalEntry::parse(
                    &member.name,
                    text,
                    self.kind,
                    mark,
                    self.findings,
                ));
            }
        }
        if count == 0 {
            if negated {
                let message = "`NotPrincipal` is empty and would match everyone";
                self.findings.error("DOC-9", element.mark, message);
            } else {
                let message = "`Principal` is empty and matches nobody";
                self.findings.warning("DOC-9", element.mark, message);
            }
        }
        entries
    }

    /// PRI-12, PM-9.
    fn not_principal(&mut self, node: &Node, effect: Option<Effect>, entries: &[PrincipalEntry]) {
        if self.kind != PolicyKind::Resource {
            let message = format!("`NotPrincipal` is not allowed in {}", self.kind.in_words());
            self.findings.error("TYP-1", node.mark, message);
            return;
        }
        if effect == Some(Effect::Allow) {
            let message = "`Allow` with `NotPrincipal` would let in everyone who is not listed";
            self.findings.error("PRI-12", node.mark, message);
            return;
        }
        if entries.contains(&PrincipalEntry::Everyone) {
            self.findings
                .error("PRI-12", node.mark, "`NotPrincipal` may not hold `*`");
            return;
        }
        let message = "`NotPrincipal` is easy to get wrong";
        let hint = "deny `*` with the condition `ArnNotEquals` on `aws:PrincipalArn`";
        self.findings
            .warning_with_hint("PRI-12", node.mark, message, hint);
        let account = |id| {
            entries.iter().any(
                |entry| matches!(entry, PrincipalEntry::Account { account, .. } if *account == id),
            )
        };
        let role = entries
            .iter()
            .any(|entry| matches!(entry, PrincipalEntry::Role(_)));
        for entry in entries {
            let (arn, needs_role) = match entry {
                PrincipalEntry::User(arn)
                | PrincipalEntry::Role(arn)
                | PrincipalEntry::FederatedUser(arn) => (arn, false),
                PrincipalEntry::RoleSession(arn) => (arn, true),
                _ => continue,
            };
            if !arn.account().is_some_and(account) || (needs_role && !role) {
                let message = format!("`{arn}` is exempt only if its account (and role) is listed");
                self.findings.warning("PM-9", node.mark, message);
            }
        }
    }

    fn conditions(&mut self, node: &Node) -> Vec<Condition> {
        let Some(element) = node.member("Condition") else {
            return Vec::new();
        };
        let Some(operators) = element.members() else {
            let message = "`Condition` is a mapping: operator, then key, then values";
            self.findings.error("DOC-18", element.mark, message);
            return Vec::new();
        };
        if operators.is_empty() {
            self.findings
                .warning("DOC-9", element.mark, "`Condition` is empty");
        }
        let mut conditions = Vec::new();
        let mut seen = HashSet::new();
        for operator in operators {
            if !seen.insert(operator.name.to_ascii_lowercase()) {
                let message = format!("the operator `{}` stands here twice", operator.name);
                self.findings.error("DOC-2", operator.mark, message);
            }
            self.operator(operator, &mut conditions);
        }
        conditions
    }

    fn operator(&mut self, member: &Member, conditions: &mut Vec<Condition>) {
        let Some((qualifier, base, if_exists)) = self.operator_name(member) else {
            return;
        };
        let Some(tests) = member.value.members() else {
            let message = format!("under `{}` stands a mapping of keys to values", member.name);
            self.findings.error("DOC-18", member.value.mark, message);
            return;
        };
        if tests.is_empty() {
            let message = format!("no key stands under `{}`", member.name);
            self.findings.error("DOC-9", member.value.mark, message);
        }
        let mut seen = HashSet::new();
        for test in tests {
            let key = ContextKey::new(&test.name);
            if !seen.insert(key.clone()) {
                let message = format!("the key `{}` stands under one operator twice", test.name);
                self.findings.error("DOC-2", test.mark, message);
            }
            if test.name.is_empty() || test.name.contains(['*', '?']) || test.name.contains("${") {
                let message = format!("the key `{}` may hold no wildcards or variables", test.name);
                self.findings.error("COND-5", test.mark, message);
            }
            let cardinality = self.keys.cardinality(&key);
            let mut condition = Condition {
                qualifier,
                base,
                if_exists,
                operator: member.name.clone(),
                key,
                key_text: test.name.clone(),
                cardinality,
                values: Vec::new(),
            };
            self.values(&test.value, &mut condition);
            self.review_condition(test.mark, &condition);
            conditions.push(condition);
        }
    }

    /// COND-4.
    fn operator_name(&mut self, member: &Member) -> Option<(Qualifier, Base, bool)> {
        let text = member.name.as_str();
        let folded = text.to_ascii_lowercase();
        let (qualifier, rest) = if let Some(rest) = folded.strip_prefix("forallvalues:") {
            (Qualifier::All, rest)
        } else if let Some(rest) = folded.strip_prefix("foranyvalue:") {
            (Qualifier::Any, rest)
        } else {
            (Qualifier::None, folded.as_str())
        };
        let (name, if_exists) = match rest.strip_suffix("ifexists") {
            Some(name) => (name, true),
            None => (rest, false),
        };
        let Some(base) = Base::parse(name) else {
            let message = format!("`{text}` is not a condition operator");
            self.findings.error("COND-4", member.mark, message);
            return None;
        };
        if base == Base::Null && (if_exists || qualifier != Qualifier::None) {
            let message = "`Null` takes neither `IfExists` nor a set qualifier";
            self.findings.error("COND-4", member.mark, message);
            return None;
        }
        Some((qualifier, base, if_exists))
    }

    fn values(&mut self, node: &Node, condition: &mut Condition) {
        let items = match &node.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        if items.is_empty() {
            self.no_values(node.mark, condition);
        }
        for item in items {
            let text = match &item.value {
                Value::Text(text) | Value::Number(text) => text.clone(),
                Value::Bool(value) => value.to_string(),
                Value::Null | Value::List(_) | Value::Map(_) => {
                    let message = format!("a condition value is a scalar, not {}", item.kind());
                    self.findings.error("DOC-6", item.mark, message);
                    continue;
                }
            };
            let value = self.value(&text, item.mark, condition);
            condition.values.extend(value);
        }
        if condition.base == Base::Bool && items.len() > 1 {
            self.findings
                .error("OP-12", node.mark, "`Bool` takes one value");
        }
    }

    /// DOC-9: what an empty list of values means.
    fn no_values(&mut self, mark: Mark, condition: &Condition) {
        let defined = match condition.qualifier {
            Qualifier::All | Qualifier::Any => true,
            Qualifier::None => condition.if_exists,
        };
        if !defined || condition.base.is_negated() {
            let message = format!("no value stands under `{}`", condition.key_text);
            self.findings.error("DOC-9", mark, message);
        } else {
            let message = format!(
                "no value stands under `{}`: nothing matches",
                condition.key_text
            );
            self.findings.warning("DOC-9", mark, message);
        }
    }

    fn value(&mut self, text: &str, mark: Mark, condition: &Condition) -> Option<ConditionValue> {
        let base = condition.base;
        if text.chars().count() > 2048 {
            self.findings
                .error("LIM-5", mark, "the value has more than 2048 characters");
            return None;
        }
        if !base.takes_variables() && self.variables && text.contains("${") {
            let message = format!("`{text}`: `{}` takes no variables", condition.operator);
            self.findings.error("VAR-2", mark, message);
            return None;
        }
        let value = match base {
            Base::Numeric(_) => Decimal::parse(text).map(ConditionValue::Number),
            Base::Date(_) => return self.date(text, mark),
            Base::Bool | Base::Null => match text.to_ascii_lowercase().as_str() {
                "true" => Some(ConditionValue::Truth(true)),
                "false" => Some(ConditionValue::Truth(false)),
                _ => None,
            },
            Base::BinaryEquals => STANDARD.decode(text).ok().map(ConditionValue::Bytes),
            Base::IpAddress | Base::NotIpAddress => {
                let read = IpRange::parse(text);
                if read.is_some_and(|read| read.had_host_bits) {
                    let message = format!("`{text}`: bits behind the prefix are ignored");
                    self.findings.warning("OP-15", mark, message);
                }
                read.map(|read| ConditionValue::Range(read.range))
            }
            _ => return self.text(text, mark, condition),
        };
        if value.is_none() {
            let (rule, what) = match base {
                Base::Numeric(_) => ("OP-6", "a number"),
                Base::Bool => ("OP-12", "`true` or `false`"),
                Base::Null => ("OP-18", "`true` or `false`"),
                Base::BinaryEquals => ("OP-13", "base64 with padding"),
                _ => ("OP-14", "an IP address or range in CIDR form"),
            };
            self.findings
                .error(rule, mark, format!("`{text}` is not {what}"));
        }
        value
    }

    fn date(&mut self, text: &str, mark: Mark) -> Option<ConditionValue> {
        match Timestamp::parse(text) {
            Ok(instant) => {
                let digits = text.bytes().all(|byte| byte.is_ascii_digit());
                if digits && instant.seconds() >= 100_000_000_000 {
                    let message = format!("`{text}` is read as seconds: are milliseconds meant?");
                    self.findings.warning("OP-9", mark, message);
                }
                Some(ConditionValue::Instant(instant))
            }
            Err(fault) => {
                let year = matches!(fault, crate::model::InvalidTimestamp::YearOrEpoch(_));
                self.findings
                    .error(if year { "OP-9" } else { "OP-8" }, mark, fault.to_string());
                None
            }
        }
    }

    fn text(&mut self, text: &str, mark: Mark, condition: &Condition) -> Option<ConditionValue> {
        self.old_variables(&[(text, mark)]);
        let wildcards = condition.base.takes_wildcards();
        let syntax = Syntax {
            wildcards,
            variables: self.variables,
        };
        let template = match Template::parse(text, syntax) {
            Ok(template) => template,
            Err(fault) => {
                self.findings
                    .error("VAR-3", mark, format!("`{text}`: {fault}"));
                return None;
            }
        };
        if template
            .variables()
            .any(|key| self.keys.cardinality(key) == Cardinality::Multiple)
        {
            let message = format!("`{text}`: a key with several values cannot be a variable");
            self.findings.error("VAR-4", mark, message);
        }
        if condition.base.is_arn() && !template.has_variable() {
            let arn = template.split_at_colons(6);
            if arn.is_none_or(|parts| parts.first().and_then(Template::as_literal) != Some("arn")) {
                let message = format!("`{text}` is not an ARN of six components");
                let hint = "use `StringLike` for a part of an ARN, or `Null` for presence";
                self.findings.error_with_hint("OP-17", mark, message, hint);
                return None;
            }
        }
        if condition.base.is_string() && !wildcards && text.contains(['*', '?']) {
            let escaped = text.contains("${*}") || text.contains("${?}");
            if !(escaped && self.variables) {
                let message = format!(
                    "`{text}`: `*` and `?` are plain text under `{}`",
                    condition.operator
                );
                self.findings
                    .warning_with_hint("OP-4", mark, message, "use `StringLike`");
            }
        }
        Some(ConditionValue::Text(template))
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
