//! Workloads as bundles.

use crate::workload::Workload;
use sidegate::loader::source::{File, Files};

/// The workload as the files of a bundle.
pub(crate) fn files(workload: &Workload) -> Files {
    let mut files = Vec::new();
    let document = |kind: &str, name: &str, spec: serde_json::Value| {
        serde_json::json!({
            "apiVersion": "sidegate.dev/v1alpha1", "kind": kind,
            "metadata": {"name": name}, "spec": spec,
        })
        .to_string()
    };
    let account = "111122223333";
    files.push(File {
        path: "account.json".into(),
        bytes: document("IamAccount", "bench", serde_json::json!({"id": account})).into(),
    });
    for (name, policy) in &workload.policies {
        let spec = serde_json::json!({"account": account, "document": policy});
        files.push(File {
            path: format!("policies/{name}.json"),
            bytes: document("IamPolicy", name, spec).into(),
        });
    }
    for (number, (principal, names)) in workload.attachments.iter().enumerate() {
        let (_, resource) = principal.rsplit_once(':').unwrap_or_default();
        let (kind, name) = resource.split_once('/').unwrap_or_default();
        let mut spec = serde_json::json!({"account": account, "attachedPolicies": names});
        let kind = if kind == "user" { "IamUser" } else { "IamRole" };
        if kind == "IamRole" {
            spec["trustPolicy"] = serde_json::json!({"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Principal": {"AWS": account}, "Action": "sts:AssumeRole"}]});
        }
        files.push(File {
            path: format!("principals/{number}.json"),
            bytes: document(kind, name, spec).into(),
        });
    }
    Files::new(files)
}
