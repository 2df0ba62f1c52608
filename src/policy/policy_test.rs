//! Tests of policies, as they stand beside them in `*_test.yaml`.

use crate::model::Timestamp;
use crate::policy::fields::{Fields, string};
use crate::policy::findings::Findings;
use crate::policy::node::{Mark, Member, Node, Value};
use crate::policy::{API_VERSION, BundleFile, Diagnostic, Place, yaml};

/// One document of tests.
#[derive(Clone, Debug)]
pub struct PolicyTest {
    /// Its name.
    pub name: String,
    /// The file that it stands in.
    pub file: String,
    /// The cases, in the order of the text.
    pub cases: Vec<TestCase>,
}

/// Questions that share an expectation: every principal with every action on every resource.
#[derive(Clone, Debug)]
pub struct TestCase {
    /// Where it is written.
    pub place: Place,
    /// What it is about.
    pub name: String,
    /// Who asks: ARNs, names of services, or `anonymous`.
    pub principals: Vec<String>,
    /// What is to be done.
    pub actions: Vec<String>,
    /// To what.
    pub resources: Vec<String>,
    /// The account that owns the resources, where their ARNs do not say.
    pub resource_account: Option<String>,
    /// Condition keys.
    pub context: Vec<(String, Vec<String>)>,
    /// Condition keys that nobody could find out.
    pub unknown: Vec<String>,
    /// The time; now when it is not given.
    pub time: Option<Timestamp>,
    /// What the answer should be.
    pub expect: Expectation,
}

/// What an answer should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// Whether it should be an allow.
    pub allow: bool,
    /// The reason, if it matters: `explicit_deny`, `implicit_deny` and so on.
    pub reason: Option<String>,
    /// The first layer that should decide, if it matters.
    pub layer: Option<String>,
    /// A statement that should be among those that decide, if it matters: its `Sid`, or its name as
    /// answers have it.
    pub statement: Option<String>,
}

/// Whether a file of a bundle holds tests and no policies.
#[must_use]
pub fn is_test_file(path: &str) -> bool {
    path.ends_with("_test.yaml") || path.ends_with("_test.yml")
}

/// Reads all tests of a bundle.
///
/// # Errors
///
/// Every fault, with its place.
pub fn read(files: &[BundleFile<'_>]) -> Result<Vec<PolicyTest>, Vec<Diagnostic>> {
    let mut tests = Vec::new();
    let mut faults = Vec::new();
    for file in files.iter().filter(|file| is_test_file(file.path)) {
        let mut findings = Findings::new(file.path);
        match std::str::from_utf8(file.bytes).map(yaml::parse_all) {
            Err(_) => findings.error("BND-1", Mark::START, "the file is not UTF-8 text"),
            Ok(Err(fault)) => findings.syntax(fault),
            Ok(Ok(documents)) => {
                for document in &documents {
                    tests.extend(test(document, file.path, &mut findings));
                }
            }
        }
        faults.extend(findings.into_list());
    }
    if faults.is_empty() {
        Ok(tests)
    } else {
        Err(faults)
    }
}

fn test(node: &Node, file: &str, findings: &mut Findings) -> Option<PolicyTest> {
    let mut fields = Fields::of(node, "a document of tests", findings)?;
    let version = fields.required_text("apiVersion", findings);
    let kind = fields.required_text("kind", findings);
    for (text, known) in [(version, API_VERSION), (kind, "PolicyTest")] {
        if let Some((text, mark)) = text
            && text != known
        {
            findings.error("TST-1", mark, format!("write `{known}`, not `{text}`"));
        }
    }
    let metadata = fields.require("metadata", findings);
    let spec = fields.require("spec", findings);
    fields.finish(findings);
    let mut metadata = Fields::of(metadata?, "`metadata`", findings)?;
    let name = metadata.required_text("name", findings);
    metadata.finish(findings);
    let mut spec = Fields::of(spec?, "`spec` of a PolicyTest", findings)?;
    let time = time(&mut spec, findings);
    let shared = context(&mut spec, findings);
    let items = spec.list("cases", findings);
    spec.finish(findings);
    let cases = items
        .iter()
        .filter_map(|item| case(item, time, &shared, findings))
        .collect();
    Some(PolicyTest {
        name: name?.0.to_owned(),
        file: file.to_owned(),
        cases,
    })
}

fn time(fields: &mut Fields<'_>, findings: &mut Findings) -> Option<Timestamp> {
    let (text, mark) = fields.text("time", findings)?;
    match Timestamp::parse(text) {
        Ok(time) => Some(Timestamp::from_seconds(time.seconds())),
        Err(fault) => {
            findings.error("TST-2", mark, fault.to_string());
            None
        }
    }
}

fn case(
    node: &Node,
    time: Option<Timestamp>,
    shared: &[(String, Vec<String>)],
    findings: &mut Findings,
) -> Option<TestCase> {
    let mut fields = Fields::of(node, "a case", findings)?;
    let name = fields.required_text("name", findings);
    let principals = several(&mut fields, "principal", "principals", findings);
    let actions = several(&mut fields, "action", "actions", findings);
    let mut resources = several(&mut fields, "resource", "resources", findings);
    let resource_account = fields.text("resourceAccount", findings);
    let own_time = self::time(&mut fields, findings);
    let mut context = context(&mut fields, findings);
    let unknown = fields.texts("unknown", findings);
    let expect = fields.require("expect", findings);
    fields.finish(findings);
    for (what, list) in [("principal", &principals), ("action", &actions)] {
        if list.is_empty() {
            findings.error("TST-3", node.mark, format!("the case has no {what}"));
        }
    }
    if resources.is_empty() {
        resources.push("*".to_owned());
    }
    let is_own = |key: &str| context.iter().any(|(own, _)| own.eq_ignore_ascii_case(key));
    let inherited: Vec<_> = shared
        .iter()
        .filter(|(key, _)| !is_own(key))
        .cloned()
        .collect();
    context.extend(inherited);
    Some(TestCase {
        place: findings.place(node.mark),
        name: name?.0.to_owned(),
        principals,
        actions,
        resources,
        resource_account: resource_account.map(|(text, _)| text.to_owned()),
        context,
        unknown: unknown
            .into_iter()
            .map(|(text, _)| text.to_owned())
            .collect(),
        time: own_time.or(time),
        expect: expectation(expect?, findings)?,
    })
}

/// The strings under the plural, or the one under the singular.
fn several(
    fields: &mut Fields<'_>,
    singular: &'static str,
    plural: &'static str,
    findings: &mut Findings,
) -> Vec<String> {
    let one = fields.text(singular, findings);
    let many = fields.texts(plural, findings);
    one.into_iter()
        .chain(many)
        .map(|(text, _)| text.to_owned())
        .collect()
}

fn context(fields: &mut Fields<'_>, findings: &mut Findings) -> Vec<(String, Vec<String>)> {
    let members = fields.mapping("context", findings);
    let values = |Member { name, value, .. }: &Member, findings: &mut Findings| {
        let items = value.items().unwrap_or(std::slice::from_ref(value));
        let texts = items.iter().filter_map(|item| match &item.value {
            Value::Bool(value) => Some(value.to_string()),
            Value::Number(text) => Some(text.clone()),
            _ => string(item, name, findings).map(|(text, _)| text.to_owned()),
        });
        texts.collect()
    };
    members
        .iter()
        .map(|member| (member.name.clone(), values(member, findings)))
        .collect()
}

/// `Allow` or `Deny`, or a mapping that says more.
fn expectation(node: &Node, findings: &mut Findings) -> Option<Expectation> {
    let plain = |allow| Expectation {
        allow,
        reason: None,
        layer: None,
        statement: None,
    };
    if node.members().is_none() {
        return decision(node.text(), node.mark, findings).map(plain);
    }
    let mut fields = Fields::of(node, "`expect`", findings)?;
    let written = fields.required_text("decision", findings);
    let mut text = |name| fields.text(name, findings).map(|(text, _)| text.to_owned());
    let (reason, layer, statement) = (text("reason"), text("layer"), text("statement"));
    fields.finish(findings);
    let (text, mark) = written?;
    Some(Expectation {
        reason,
        layer,
        statement,
        ..plain(decision(Some(text), mark, findings)?)
    })
}

fn decision(text: Option<&str>, mark: Mark, findings: &mut Findings) -> Option<bool> {
    match text {
        Some("Allow") => Some(true),
        Some("Deny") => Some(false),
        _ => {
            findings.error("TST-4", mark, "the decision is `Allow` or `Deny`");
            None
        }
    }
}
