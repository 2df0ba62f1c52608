//! The questions that every engine is asked, and the policies that answer them.

use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

/// Policies, who has them, and what is asked.
#[derive(Debug)]
pub struct Workload {
    /// What it is called, such as `W3`.
    pub name: String,
    /// Policy documents by name.
    pub policies: BTreeMap<String, Value>,
    /// The names of the policies of each principal, by its ARN.
    pub attachments: BTreeMap<String, Vec<String>>,
    /// The questions.
    pub requests: Vec<Request>,
}

/// One question.
#[derive(Clone, Debug)]
pub struct Request {
    /// The ARN of who asks.
    pub principal: String,
    /// The action.
    pub action: String,
    /// The ARN of the resource.
    pub resource: String,
    /// Condition keys with their values.
    pub context: Vec<(String, Vec<String>)>,
}

impl Workload {
    /// Reads a workload from a compressed file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or is no workload.
    pub fn read(path: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        let mut text = String::new();
        flate2::read::GzDecoder::new(std::fs::File::open(path)?).read_to_string(&mut text)?;
        let whole: Value = serde_json::from_str(&text)?;
        let object = |name: &str| whole[name].as_object().cloned().ok_or("not a workload");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let attachments = object("attachments")?
            .into_iter()
            .map(|(principal, names)| {
                let names = names.as_array().into_iter().flatten().map(text).collect();
                (principal, names)
            });
        let requests = whole["requests"].as_array().ok_or("not a workload")?;
        let requests = requests.iter().map(|request| Request {
            principal: text(&request["principal"]),
            action: text(&request["action"]),
            resource: text(&request["resource"]),
            context: request["context"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(key, value)| {
                    let values = texts(value).into_iter().map(str::to_owned);
                    (key.clone(), values.collect())
                })
                .collect(),
        });
        Ok(Self {
            name: text(&whole["name"]),
            policies: object("policies")?.into_iter().collect(),
            attachments: attachments.collect(),
            requests: requests.collect(),
        })
    }

    /// How many statements there are.
    #[must_use]
    pub fn statements(&self) -> usize {
        self.policies
            .values()
            .map(|policy| statements(policy).len())
            .sum()
    }
}

/// The statements of a document.
#[must_use]
pub fn statements(document: &Value) -> Vec<&Value> {
    match &document["Statement"] {
        Value::Array(list) => list.iter().collect(),
        one => vec![one],
    }
}

/// One text or several, as a list.
#[must_use]
pub fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    }
}
