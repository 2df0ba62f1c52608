//! Reads the members of a mapping, and knows which were asked for.

use crate::model::AccountId;
use crate::policy::findings::Findings;
use crate::policy::node::{Mark, Member, Node, Value};

/// The members of one mapping of a bundle file.
#[derive(Clone, Debug)]
pub(super) struct Fields<'n> {
    what: &'static str,
    mark: Mark,
    members: &'n [Member],
    asked: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// The members of `node`, which `what` names in messages; a fault when it is no mapping.
    pub(super) fn of(node: &'n Node, what: &'static str, findings: &mut Findings) -> Option<Self> {
        let Some(members) = node.members() else {
            let message = format!("{what} is a mapping, not {}", node.kind());
            findings.error("BND-5", node.mark, message);
            return None;
        };
        Some(Self {
            what,
            mark: node.mark,
            members,
            asked: Vec::new(),
        })
    }

    /// Where the mapping begins.
    pub(super) fn mark(&self) -> Mark {
        self.mark
    }

    /// The member `name`, if it is there.
    pub(super) fn take(&mut self, name: &'static str) -> Option<&'n Node> {
        self.asked.push(name);
        self.members
            .iter()
            .find(|member| member.name == name)
            .map(|member| &member.value)
    }

    /// The member `name`; a fault when it is not there.
    pub(super) fn require(
        &mut self,
        name: &'static str,
        findings: &mut Findings,
    ) -> Option<&'n Node> {
        let node = self.take(name);
        if node.is_none() {
            findings.error("BND-4", self.mark, format!("{} needs `{name}`", self.what));
        }
        node
    }

    /// The string under `name`, if it is there.
    pub(super) fn text(
        &mut self,
        name: &'static str,
        findings: &mut Findings,
    ) -> Option<(&'n str, Mark)> {
        let node = self.take(name)?;
        string(node, name, findings)
    }

    /// The string under `name`; a fault when it is not there.
    pub(super) fn required_text(
        &mut self,
        name: &'static str,
        findings: &mut Findings,
    ) -> Option<(&'n str, Mark)> {
        let node = self.require(name, findings)?;
        string(node, name, findings)
    }

    /// The list under `name`; empty when it is not there.
    pub(super) fn list(&mut self, name: &'static str, findings: &mut Findings) -> &'n [Node] {
        let Some(node) = self.take(name) else {
            return &[];
        };
        let Some(items) = node.items() else {
            findings.error(
                "BND-5",
                node.mark,
                format!("`{name}` is a list, not {}", node.kind()),
            );
            return &[];
        };
        items
    }

    /// The list of strings under `name`; empty when it is not there.
    pub(super) fn texts(
        &mut self,
        name: &'static str,
        findings: &mut Findings,
    ) -> Vec<(&'n str, Mark)> {
        let items = self.list(name, findings);
        items
            .iter()
            .filter_map(|item| string(item, name, findings))
            .collect()
    }

    /// The members of the mapping under `name`; none when it is not there.
    pub(super) fn mapping(&mut self, name: &'static str, findings: &mut Findings) -> &'n [Member] {
        let Some(node) = self.take(name) else {
            return &[];
        };
        let Some(members) = node.members() else {
            let message = format!("`{name}` is a mapping, not {}", node.kind());
            findings.error("BND-5", node.mark, message);
            return &[];
        };
        members
    }

    /// The mapping of names to strings under `name`.
    pub(super) fn text_pairs(
        &mut self,
        name: &'static str,
        findings: &mut Findings,
    ) -> Vec<(String, String)> {
        let members = self.mapping(name, findings);
        let pair = |member: &Member| {
            let (text, _) = string(&member.value, name, findings)?;
            Some((member.name.clone(), text.to_owned()))
        };
        members.iter().filter_map(pair).collect()
    }

    /// The boolean under `name`; false when it is not there.
    pub(super) fn flag(&mut self, name: &'static str, findings: &mut Findings) -> bool {
        match self.take(name).map(|node| (&node.value, node)) {
            None => false,
            Some((Value::Bool(value), _)) => *value,
            Some((_, node)) => {
                let message = format!("`{name}` is true or false, not {}", node.kind());
                findings.error("BND-5", node.mark, message);
                false
            }
        }
    }

    /// The duration under `name`, in seconds.
    pub(super) fn duration_s(
        &mut self,
        name: &'static str,
        findings: &mut Findings,
    ) -> Option<(u32, Mark)> {
        let (text, mark) = self.text(name, findings)?;
        let seconds = duration_s(text);
        if seconds.is_none() {
            let message = format!("`{text}` is not a duration");
            findings.error_with_hint("BND-5", mark, message, "write a unit: `90s`, `15m`, `1h`");
        }
        seconds.map(|seconds| (seconds, mark))
    }

    /// The account id under `name`; a fault when it is not there.
    pub(super) fn account(
        &mut self,
        name: &'static str,
        findings: &mut Findings,
    ) -> Option<AccountId> {
        let node = self.require(name, findings)?;
        account(node, name, findings)
    }

    /// Faults for every member that nobody asked for.
    pub(super) fn finish(self, findings: &mut Findings) {
        for member in self.members {
            if !self.asked.contains(&member.name.as_str()) {
                let message = format!("{} has no field `{}`", self.what, member.name);
                let mut known = self.asked.clone();
                known.sort_unstable();
                known.dedup();
                let hint = format!("known are {}", known.join(", "));
                findings.error_with_hint("BND-3", member.mark, message, hint);
            }
        }
    }
}

/// The string of a node, or a fault.
pub(super) fn string<'n>(
    node: &'n Node,
    name: &str,
    findings: &mut Findings,
) -> Option<(&'n str, Mark)> {
    if let Some(text) = node.text() {
        return Some((text, node.mark));
    }
    let message = format!("`{name}` is a string, not {}", node.kind());
    findings.error_with_hint("BND-5", node.mark, message, "put it in quotes");
    None
}

/// The account id of a node, or a fault.
pub(super) fn account(node: &Node, name: &str, findings: &mut Findings) -> Option<AccountId> {
    let (text, mark) = string(node, name, findings)?;
    match AccountId::parse(text) {
        Ok(account) => Some(account),
        Err(fault) => {
            findings.error("BND-5", mark, fault.to_string());
            None
        }
    }
}

/// Reads `90s`, `15m`, `12h` or `1d` as seconds.
pub(super) fn duration_s(text: &str) -> Option<u32> {
    let unit = text.chars().last()?;
    let number: u32 = text.strip_suffix(unit)?.parse().ok()?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86400,
        _ => return None,
    };
    number.checked_mul(factor)
}
