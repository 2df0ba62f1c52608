//! `protocol` and `operations` of an `IamService`.

use crate::policy::bundle::service::action;
use crate::policy::fields::{Fields, string};
use crate::policy::findings::Findings;
use crate::policy::node::{Member, Node};
use crate::policy::{Operation, ServiceProtocol};

/// How the calls of a service are written.
pub(super) fn protocol(fields: &mut Fields<'_>, findings: &mut Findings) -> ServiceProtocol {
    let written = fields.text("protocol", findings);
    let mut detail = |name: &'static str, hint: &str| {
        let (text, mark) = fields.required_text(name, findings)?;
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if text.is_empty() || !text.bytes().all(fits) {
            let message = format!("`{text}` cannot be the `{name}` of a protocol");
            findings.error_with_hint("BND-5", mark, message, hint);
        }
        Some(text.to_owned())
    };
    match written {
        None => ServiceProtocol::Routes,
        Some(("s3", _)) => ServiceProtocol::S3,
        Some(("aws-query", _)) => detail("version", "such as `2012-11-05`")
            .map_or(ServiceProtocol::Routes, ServiceProtocol::AwsQuery),
        Some(("aws-json", _)) => detail("target", "such as `DynamoDB_20120810`")
            .map_or(ServiceProtocol::Routes, ServiceProtocol::AwsJson),
        Some(("grpc", _)) => detail("grpcService", "such as `shop.v1.Orders`")
            .map_or(ServiceProtocol::Routes, ServiceProtocol::Grpc),
        Some((text, mark)) => {
            let message = format!("`{text}` is not a protocol");
            let hint = "`s3`, `aws-query`, `aws-json` or `grpc`; leave it out to write `routes`";
            findings.error_with_hint("BND-5", mark, message, hint);
            ServiceProtocol::Routes
        }
    }
}

/// What the operations of a protocol mean.
pub(super) fn read(
    fields: &mut Fields<'_>,
    protocol: &ServiceProtocol,
    prefix: &str,
    findings: &mut Findings,
) -> Vec<Operation> {
    let members = fields.mapping("operations", findings);
    let mark = fields.mark();
    let has_operations = match protocol {
        ServiceProtocol::AwsQuery(_) | ServiceProtocol::AwsJson(_) | ServiceProtocol::Grpc(_) => {
            true
        }
        ServiceProtocol::Routes | ServiceProtocol::S3 => false,
    };
    if !members.is_empty() && !has_operations {
        let message = "`operations` go with the protocols `aws-query`, `aws-json` and `grpc`";
        findings.error("BND-4", mark, message);
    }
    members
        .iter()
        .filter_map(|member| operation(member, prefix, findings))
        .collect()
}

fn operation(member: &Member, prefix: &str, findings: &mut Findings) -> Option<Operation> {
    let name = member.name.as_str();
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_name {
        let message = format!("`{name}` is not the name of an operation");
        findings.error_with_hint("BND-5", member.mark, message, "such as `GetItem`");
    }
    let mut fields = Fields::of(&member.value, "an operation", findings)?;
    let own = fields
        .text("action", findings)
        .and_then(|(text, mark)| action(text, prefix, mark, findings));
    let resource = fields.take("resource");
    let resource = resource.map_or_else(Vec::new, |node| sources(node, findings));
    let without = fields.texts("without", findings);
    let without = without.into_iter().map(|(text, _)| text.to_owned());
    let without = without.collect();
    let values = fields.mapping("values", findings);
    let values = values
        .iter()
        .map(|member| (member.name.clone(), sources(&member.value, findings)))
        .collect();
    let context = fields.text_pairs("context", findings);
    fields.finish(findings);
    Some(Operation {
        place: findings.place(member.mark),
        name: name.to_owned(),
        action: own,
        resource,
        without,
        values,
        context,
    })
}

/// One place, or a list of them.
fn sources(node: &Node, findings: &mut Findings) -> Vec<String> {
    let items = node.items().unwrap_or(std::slice::from_ref(node));
    let texts = items
        .iter()
        .filter_map(|item| string(item, "a source", findings));
    texts.map(|(text, _)| text.to_owned()).collect()
}
