//! Cerbos, another server that decides, on a policy of its own for the same question.

use crate::load::Call;
use crate::process::Process;
use prost::Message;
use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};

const POLICY: &str = r"apiVersion: api.cerbos.dev/v1
resourcePolicy:
  resource: order
  version: default
  rules:
    - actions: [GetOrder, ListOrders]
      effect: EFFECT_ALLOW
      roles: [order-reader]
    - actions: ['*']
      effect: EFFECT_DENY
      roles: ['*']
      condition:
        match:
          expr: R.attr.sealed == true
";

/// `cerbos.request.v1.CheckResourcesRequest`, as far as it is used.
#[derive(Clone, PartialEq, Message)]
struct CheckResources {
    #[prost(string, tag = "1")]
    request_id: String,
    #[prost(message, optional, tag = "3")]
    principal: Option<Principal>,
    #[prost(message, repeated, tag = "4")]
    resources: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
struct Principal {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, repeated, tag = "3")]
    roles: Vec<String>,
    #[prost(map = "string, message", tag = "4")]
    attributes: HashMap<String, Text>,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(string, repeated, tag = "1")]
    actions: Vec<String>,
    #[prost(message, optional, tag = "2")]
    resource: Option<Resource>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(string, tag = "1")]
    kind: String,
    #[prost(string, tag = "3")]
    id: String,
    #[prost(map = "string, message", tag = "4")]
    attributes: HashMap<String, Text>,
}

/// `google.protobuf.Value` that is a text.
#[derive(Clone, PartialEq, Message)]
struct Text {
    #[prost(string, tag = "3")]
    text: String,
}

/// Starts Cerbos in `directory`.
pub(crate) fn start(program: &Path, directory: &Path, listens: &str) -> std::io::Result<Process> {
    let policies = directory.join("policies");
    std::fs::create_dir(&policies)?;
    std::fs::write(policies.join("order.yaml"), POLICY)?;
    let config = directory.join("config.yaml");
    let text = format!(
        "server: {{httpListenAddr: '127.0.0.1:0', grpcListenAddr: '{listens}'}}\n\
         telemetry: {{disabled: true}}\n\
         storage: {{driver: disk, disk: {{directory: '{}'}}}}\n",
        policies.display()
    );
    std::fs::write(&config, text)?;
    let mut command = Command::new(program);
    command
        .args(["server", "--log-level", "error", "--config"])
        .arg(&config)
        .stdout(Stdio::null());
    Process::start(&mut command)
}

/// The question that every server gets, in the words of Cerbos.
pub(crate) fn call() -> Call {
    let text = |text: &str| Text {
        text: text.to_owned(),
    };
    let question = CheckResources {
        request_id: "8f2f6c1e-5a4e-4f55-9a5e-0a4c1e7c2f8d".to_owned(),
        principal: Some(Principal {
            id: "arn:aws:sts::210000000001:assumed-role/order-reader/ben".to_owned(),
            roles: vec!["order-reader".to_owned()],
            attributes: HashMap::from([("team".to_owned(), text("shop"))]),
        }),
        resources: vec![Entry {
            actions: vec!["GetOrder".to_owned()],
            resource: Some(Resource {
                kind: "order".to_owned(),
                id: "7".to_owned(),
                attributes: HashMap::from([("region".to_owned(), text("eu-1"))]),
            }),
        }],
    };
    // In the map of actions and effects: the action, and the effect "allow".
    let allow: &[u8] = b"\x0a\x08GetOrder\x10\x01";
    Call::new(
        "/cerbos.svc.v1.CerbosService/CheckResources",
        &question.encode_to_vec(),
    )
    .allowed_by(allow)
}
