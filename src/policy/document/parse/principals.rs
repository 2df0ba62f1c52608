//! `Principal` and `NotPrincipal` (PRI-1 to PRI-13).

use super::{Reader, near};
use crate::policy::document::{Effect, Element, PolicyKind, PrincipalEntry};
use crate::policy::node::{Node, Value};

impl Reader<'_> {
    pub(super) fn principal(
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
}
