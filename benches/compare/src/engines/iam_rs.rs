//! iam-rs: an evaluator for each principal with that principal's policies.

use super::Engine;
use crate::workload::{Request, Workload};
use ::iam_rs::{
    Arn, Context, ContextValue, Decision, EvaluationOptions, IAMPolicy, IAMRequest,
    PolicyEvaluator, Principal, PrincipalId,
};
use std::collections::{BTreeMap, HashMap};

/// The keys whose values are booleans, because the crate compares a boolean with nothing else.
const BOOLEANS: &[&str] = &[
    "aws:MultiFactorAuthPresent",
    "aws:SecureTransport",
    "aws:ViaAWSService",
];

struct IamRs {
    evaluators: HashMap<String, PolicyEvaluator>,
    questions: Vec<(String, IAMRequest)>,
}

/// Loads an evaluator for each principal.
///
/// # Errors
///
/// When the crate cannot read a policy.
pub fn load(workload: &Workload) -> Result<Box<dyn Engine>, String> {
    let mut policies = BTreeMap::new();
    for (name, document) in &workload.policies {
        let policy: IAMPolicy =
            serde_json::from_value(document.clone()).map_err(|error| format!("{name}: {error}"))?;
        policies.insert(name.as_str(), policy);
    }
    let evaluators = workload.attachments.iter().map(|(principal, names)| {
        let attached = names.iter().filter_map(|name| policies.get(name.as_str()));
        // The crate refuses to evaluate more than a thousand statements unless it is told to.
        let options = EvaluationOptions {
            max_statements: usize::MAX,
            ..Default::default()
        };
        let evaluator = PolicyEvaluator::with_policies(attached.cloned().collect());
        (principal.clone(), evaluator.with_options(options))
    });
    Ok(Box::new(IamRs {
        evaluators: evaluators.collect(),
        questions: Vec::new(),
    }))
}

impl Engine for IamRs {
    fn prepare(&mut self, request: &Request) {
        let mut context = Context::new();
        for (key, values) in &request.context {
            let value = values.first().cloned().unwrap_or_default();
            let value = if BOOLEANS.contains(&key.as_str()) {
                ContextValue::Boolean(value == "true")
            } else {
                ContextValue::String(value)
            };
            context.insert(key.clone(), value);
        }
        // A question about no resource has `*`, which the crate takes for no ARN. It gets one that
        // only the pattern `*` matches, because a service is never matched by a wildcard.
        let none = || Arn {
            partition: "aws".to_owned(),
            service: "none".to_owned(),
            region: String::new(),
            account_id: String::new(),
            resource: "none".to_owned(),
        };
        let resource = Arn::parse(&request.resource).unwrap_or_else(|_| none());
        let principal = Principal::Aws(PrincipalId::String(request.principal.clone()));
        let asked = request.action.clone();
        let question = IAMRequest::new_with_context(principal, asked, resource, context);
        self.questions.push((request.principal.clone(), question));
    }

    fn decide(&mut self, number: usize) -> bool {
        let (principal, question) = &self.questions[number];
        self.evaluators.get(principal).is_some_and(|evaluator| {
            // An error, such as a variable without a value, is no permission.
            let result = evaluator.evaluate(question);
            result.is_ok_and(|result| result.decision == Decision::Allow)
        })
    }
}
