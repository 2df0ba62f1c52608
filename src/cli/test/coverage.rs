//! Which statements the tests reached.

use crate::engine::Truth;
use crate::pdp::Explained;
use crate::snapshot::Snapshot;
use std::collections::BTreeMap;

/// Every statement of a snapshot, and whether a case matched it.
#[derive(Debug)]
pub(super) struct Coverage {
    /// By document and position: where it is written, and whether it was reached.
    statements: BTreeMap<(String, u32), (String, bool)>,
}

impl Coverage {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let mut statements = BTreeMap::new();
        for document in snapshot.policies.all_documents() {
            for (index, sid, place) in document.outline() {
                let sid = sid.map(|sid| format!(" {sid}"));
                let shown = format!(
                    "{}.Statement[{index}]{} ({place})",
                    document.name,
                    sid.unwrap_or_default(),
                );
                statements.insert((document.name.to_string(), index), (shown, false));
            }
        }
        Self { statements }
    }

    /// Notes what a question matched.
    pub(super) fn add(&mut self, explained: &[Explained]) {
        let reports = explained
            .iter()
            .flat_map(|explained| &explained.explanation.statements);
        for report in reports.filter(|report| report.result != Truth::False) {
            let key = (report.document.to_string(), report.reference.statement);
            if let Some((_, reached)) = self.statements.get_mut(&key) {
                *reached = true;
            }
        }
    }

    pub(super) fn total(&self) -> usize {
        self.statements.len()
    }

    pub(super) fn reached(&self) -> usize {
        let reached = self.statements.values().filter(|(_, reached)| *reached);
        reached.count()
    }

    /// The share of statements that were reached; all of none.
    pub(super) fn percent(&self) -> usize {
        (self.reached() * 100)
            .checked_div(self.total())
            .unwrap_or(100)
    }

    pub(super) fn missed(&self) -> impl Iterator<Item = &str> {
        self.statements
            .values()
            .filter(|(_, reached)| !reached)
            .map(|(shown, _)| shown.as_str())
    }
}
