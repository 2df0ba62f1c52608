//! Doubts about records of resources.

use super::services::{Piece, meet, pieces};
use crate::policy::resource_record::ResourceRecord;
use crate::policy::{Diagnostic, ResourcePattern};

/// LNT-6: of several records of a resource the narrowest speaks alone, so one that says nothing but
/// tags takes it out of the policy of a wider one, its denials included.
pub(super) fn check(records: &[ResourceRecord], diagnostics: &mut Vec<Diagnostic>) {
    let is_wide = |record: &&ResourceRecord| record.wild && record.policy.is_some();
    let wide: Vec<_> = records
        .iter()
        .filter(is_wide)
        .map(|record| (record, components(&record.pattern)))
        .collect();
    if wide.is_empty() {
        return;
    }
    for narrow in records.iter().filter(|record| record.policy.is_none()) {
        let pattern = components(&narrow.pattern);
        let wider = wide.iter().find(|(wide, wide_pattern)| {
            let is_wider = !narrow.wild || wide.arn.len() < narrow.arn.len();
            is_wider && overlap(wide_pattern.as_ref(), pattern.as_ref())
        });
        if let Some((wide, _)) = wider {
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

type Components = [Vec<Piece>; 5];

fn overlap(one: Option<&Components>, other: Option<&Components>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.iter().zip(other).all(|(one, other)| meet(one, other)),
        _ => true,
    }
}

fn components(pattern: &ResourcePattern) -> Option<Components> {
    match pattern {
        ResourcePattern::All => None,
        ResourcePattern::Arn {
            partition,
            service,
            region,
            account,
            resource,
        } => Some(
            [partition, service, region, account, resource]
                .map(|template| pieces(&template.tokens)),
        ),
    }
}
