//! Doubts about records of resources.

use super::services::{meet, pieces};
use crate::policy::resource_record::ResourceRecord;
use crate::policy::{Diagnostic, ResourcePattern};

/// LNT-6: of several records of a resource the narrowest speaks alone, so one that says nothing but
/// tags takes it out of the policy of a wider one, its denials included.
pub(super) fn check(records: &[ResourceRecord], diagnostics: &mut Vec<Diagnostic>) {
    for narrow in records.iter().filter(|record| record.policy.is_none()) {
        let wider = records.iter().find(|wide| {
            let is_wider = wide.wild && (!narrow.wild || wide.arn.len() < narrow.arn.len());
            is_wider && wide.policy.is_some() && overlap(&wide.pattern, &narrow.pattern)
        });
        if let Some(wide) = wider {
            let message = format!(
                "the policy of `{}` does not reach this resource, which has a record of its own",
                wide.arn
            );
            diagnostics.push(
                Diagnostic::warning("LNT-6", narrow.place.clone(), message)
                    .hint("the narrowest record speaks alone: give this one a policy too"),
            );
        }
    }
}

fn overlap(one: &ResourcePattern, other: &ResourcePattern) -> bool {
    match (components(one), components(other)) {
        (Some(one), Some(other)) => one
            .iter()
            .zip(&other)
            .all(|(one, other)| meet(&pieces(&one.tokens), &pieces(&other.tokens))),
        _ => true,
    }
}

fn components(pattern: &ResourcePattern) -> Option<[&crate::policy::template::Template; 5]> {
    match pattern {
        ResourcePattern::All => None,
        ResourcePattern::Arn {
            partition,
            service,
            region,
            account,
            resource,
        } => Some([partition, service, region, account, resource]),
    }
}
