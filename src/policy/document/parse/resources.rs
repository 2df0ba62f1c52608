//! `Resource` and `NotResource` (RES-1 to RES-15).

use super::Reader;
use crate::policy::Cardinality;
use crate::policy::document::{Effect, Element, PolicyKind, ResourcePattern};
use crate::policy::node::{Mark, Node};
use crate::policy::template::Template;

impl Reader<'_> {
    pub(super) fn resource(
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
    pub(super) fn old_variables(&mut self, texts: &[(&str, Mark)]) {
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
}
