//! The settings as text, each with where it came from.

use crate::config::SETTINGS;
use crate::policy::node::{Mark, Member, Node, Value};
use crate::policy::{Diagnostic, Findings, Place, yaml};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// A setting that somebody made.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) text: String,
    pub(super) place: Place,
}

/// What was set, by the path of the setting.
#[derive(Clone, Debug, Default)]
pub struct Values {
    given: BTreeMap<&'static str, Given>,
}

impl Values {
    /// Reads a file of settings.
    pub fn read_file(&mut self, name: &str, text: &str, diagnostics: &mut Vec<Diagnostic>) {
        let mut findings = Findings::new(name);
        match yaml::parse_all(text) {
            Err(fault) => findings.syntax(fault),
            Ok(documents) => match documents.as_slice() {
                [] => {}
                [only] => self.read_groups(only, &mut findings),
                [_, second, ..] => findings.error(
                    "CFG-1",
                    second.mark,
                    "the settings are one document, and this is a second one",
                ),
            },
        }
        diagnostics.extend(findings.into_list());
    }

    fn read_groups(&mut self, node: &Node, findings: &mut Findings) {
        for (group, value) in mapping(node, "the file of settings", findings) {
            let known: Vec<&str> = SETTINGS
                .iter()
                .filter_map(|setting| setting.path.split_once('.'))
                .filter(|(of, _)| *of == group.name)
                .map(|(_, name)| name)
                .collect();
            if known.is_empty() {
                let mut groups: Vec<&str> = SETTINGS
                    .iter()
                    .filter_map(|setting| setting.path.split_once('.'))
                    .map(|(group, _)| group)
                    .collect();
                groups.dedup();
                unknown(&group.name, group.mark, &groups, findings);
                continue;
            }
            for (member, value) in mapping(value, &format!("`{}`", group.name), findings) {
                let path = format!("{}.{}", group.name, member.name);
                match SETTINGS.iter().find(|setting| setting.path == path) {
                    None => unknown(&path, member.mark, &known, findings),
                    Some(setting) => {
                        if let Some(text) = scalar(value, &path, findings) {
                            let place = findings.place(value.mark);
                            self.given.insert(setting.path, Given { text, place });
                        }
                    }
                }
            }
        }
    }

    /// Reads the variables of the environment. Those that Kubernetes makes for a service called
    /// `sidegate…` are passed over.
    pub fn read_environment(
        &mut self,
        variables: impl IntoIterator<Item = (String, String)>,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        for (name, text) in variables {
            if !name.starts_with("SIDEGATE_") || is_service_link(&name) {
                continue;
            }
            let place = Place {
                file: Arc::from(format!("${name}")),
                line: 1,
                column: 1,
            };
            match SETTINGS
                .iter()
                .find(|setting| variable(setting.path) == name)
            {
                Some(setting) => {
                    self.given.insert(setting.path, Given { text, place });
                }
                None => diagnostics.push(
                    Diagnostic::error("CFG-2", place, "no setting has this variable")
                        .hint("`sidegate serve --print-config` lists the settings"),
                ),
            }
        }
    }

    /// Makes a setting as a flag of the command line does.
    pub fn set(&mut self, path: &'static str, text: impl Into<String>, flag: &str) {
        let place = Place {
            file: Arc::from(flag),
            line: 1,
            column: 1,
        };
        let text = text.into();
        self.given.insert(path, Given { text, place });
    }

    /// Makes a setting that nobody has made.
    pub fn set_unless_given(&mut self, path: &'static str, text: impl Into<String>, flag: &str) {
        if !self.given.contains_key(path) {
            self.set(path, text, flag);
        }
    }

    /// Whether somebody set it.
    #[must_use]
    pub fn is_given(&self, path: &'static str) -> bool {
        self.given(path).is_some()
    }

    pub(super) fn given(&self, path: &'static str) -> Option<&Given> {
        self.given.get(path)
    }

    /// What is in force, as a file of settings with comments.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut yaml = String::new();
        let mut group = "";
        for setting in SETTINGS {
            let (of, name) = setting.path.split_once('.').unwrap_or(("", setting.path));
            if of != group {
                group = of;
                let _ = writeln!(yaml, "{of}:");
            }
            let given = self.given.get(setting.path);
            let text = given.map_or(setting.default, |given| &given.text);
            let quoted = serde_json::Value::from(text);
            let _ = writeln!(yaml, "  # {}\n  {name}: {quoted}", setting.help);
        }
        yaml
    }
}

/// The variable of a setting.
fn variable(path: &str) -> String {
    format!("SIDEGATE_{}", path.replace('.', "_").to_ascii_uppercase())
}

/// Whether Kubernetes made the variable for a service: `SIDEGATE_PORT`, `SIDEGATE_STS_SERVICE_HOST`,
/// `SIDEGATE_PORT_9191_TCP_ADDR` and so on.
fn is_service_link(name: &str) -> bool {
    name.ends_with("_PORT")
        || name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.contains("_PORT_")
}

fn mapping<'n>(
    node: &'n Node,
    what: &str,
    findings: &mut Findings,
) -> impl Iterator<Item = (&'n Member, &'n Node)> + use<'n> {
    if node.members().is_none() {
        let message = format!("{what} is a mapping, not {}", node.kind());
        findings.error("CFG-1", node.mark, message);
    }
    let members = node.members().unwrap_or_default();
    members.iter().map(|member| (member, &member.value))
}

fn unknown(name: &str, mark: Mark, known: &[&str], findings: &mut Findings) {
    let message = format!("there is no setting `{name}`");
    let hint = format!("known are {}", known.join(", "));
    findings.error_with_hint("CFG-2", mark, message, hint);
}

/// The text of a scalar; of a list the texts, with commas between them.
fn scalar(node: &Node, path: &str, findings: &mut Findings) -> Option<String> {
    match &node.value {
        Value::Text(text) | Value::Number(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::List(items) if items.iter().all(|item| item.text().is_some()) => {
            let texts: Vec<&str> = items.iter().filter_map(Node::text).collect();
            Some(texts.join(","))
        }
        Value::Null | Value::List(_) | Value::Map(_) => {
            let message = format!("`{path}` is one value, not {}", node.kind());
            findings.error("CFG-1", node.mark, message);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn faults(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
        let mut values = Values::default();
        let mut diagnostics = Vec::new();
        values.read_file("sidegate.yaml", text, &mut diagnostics);
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        values.read_environment(variables, &mut diagnostics);
        diagnostics.extend(Config::read(&values).err().into_iter().flatten());
        diagnostics
            .iter()
            .map(|finding| format!("{} {}", finding.place, finding.rule))
            .collect()
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let text = "decisions:\n  address: nowhere\n  adress: x\nadmin: 7\nhttpd: {}\nlog: {level: \"\"}\n";
        let found = faults(
            text,
            &[
                ("SIDEGATE_DRAIN_MAX", "20"),
                ("SIDEGATE_NOPE", "1"),
                ("SIDEGATE_PORT_9191_TCP", "tcp://10.0.0.1:9191"),
                ("SIDEGATE_STS_SERVICE_HOST", "10.0.0.1"),
                ("HOME", "/"),
            ],
        );
        let expected = [
            "sidegate.yaml:3:3 CFG-2",
            "sidegate.yaml:4:8 CFG-1",
            "sidegate.yaml:5:1 CFG-2",
            "$SIDEGATE_NOPE:1:1 CFG-2",
            "sidegate.yaml:2:12 CFG-3",
            "$SIDEGATE_DRAIN_MAX:1:1 CFG-3",
            "sidegate.yaml:6:14 CFG-3",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_printed_is_a_file_of_settings() {
        let mut values = Values::default();
        values.set("decisions.address", "127.0.0.1:1, unix:/tmp/x", "--flag");
        values.set("log.level", "info,h2=warn", "--flag");
        let printed = values.to_yaml();
        let mut again = Values::default();
        let mut diagnostics = Vec::new();
        again.read_file("printed", &printed, &mut diagnostics);
        assert_eq!(diagnostics, []);
        assert_eq!(again.to_yaml(), printed);
        let config = Config::read(&again).unwrap();
        assert_eq!(config.decisions.addresses.len(), 2);
    }

    #[test]
    fn no_variable_of_a_setting_looks_like_a_service_of_kubernetes() {
        for setting in SETTINGS {
            assert!(
                !is_service_link(&variable(setting.path)),
                "{}",
                setting.path
            );
        }
    }
}
