//! The documents of one layer, in the form in which the layer is asked.

use crate::engine::actions::Sieve;
use crate::engine::decision_cache::Clock;
use crate::engine::document::{Document, Statement};
use crate::engine::index::{Index, Thresholds};
use crate::engine::principal::{Caller, MatchKind};
use crate::engine::truth::Truth;
use crate::model::{ContextKey, Request};
use crate::policy::Effect;
use smallvec::SmallVec;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The number of the next view.
static NEXT: AtomicU64 = AtomicU64::new(0);

impl Default for View {
    fn default() -> Self {
        Self::scanning([])
    }
}

/// From how many statements on an index answers sooner than reading them all.
const INDEXED_FROM: usize = 24;

/// Documents that stand side by side: those of a principal, of a level of an organization, of a
/// resource. Identities with the same documents share one.
#[derive(Debug)]
pub struct View {
    documents: Box<[Arc<Document>]>,
    /// What tells it from every other view of the process.
    number: u64,
    /// How many statements a question may have to test at the most, about.
    cost: usize,
    /// The context keys that its documents read, each once (CACHE-2).
    reads: Box<[ContextKey]>,
    clock: Clock,
    /// Every statement where they are few, and are read one after the other.
    listed: Box<[Listed]>,
    /// None where they are listed.
    segments: Box<[Segment]>,
}

/// A statement of a list, with what tells most requests that it is not about them: for those,
/// nothing else of it is read.
#[derive(Clone, Copy, Debug)]
struct Listed {
    sieve: Sieve,
    document: u32,
    statement: u32,
}

/// One node of an organization's tree with the control policies attached to it.
#[derive(Clone, Debug)]
pub struct Level {
    /// The id of the root, unit or account.
    pub id: Arc<str>,
    /// The documents attached there.
    pub view: Arc<View>,
}

/// An index of some of the documents of a view.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) index: Arc<Index>,
    /// At which position of the view each document of the index stands; [`GONE`] where it does not
    /// stand there any more.
    pub(super) positions: Arc<[u32]>,
}

/// The position of a document that is in an index and not in the view.
pub(super) const GONE: u32 = u32::MAX;

/// A statement that is about a request (EV-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    /// The position of its document.
    pub(super) document: u32,
    /// Its own position there.
    pub(super) statement: u32,
    pub(super) effect: Effect,
    /// Through which kind of principal entry.
    pub(super) kind: MatchKind,
    /// Never false.
    pub(super) truth: Truth,
}

impl View {
    /// A view of these documents, in this order.
    #[must_use]
    pub fn new(documents: impl IntoIterator<Item = Arc<Document>>) -> Self {
        let documents: Box<[Arc<Document>]> = documents.into_iter().collect();
        let statements: usize = documents.iter().map(|document| document.len()).sum();
        if statements < INDEXED_FROM {
            Self::scanning(documents)
        } else {
            Self::indexed(documents, Thresholds::default())
        }
    }

    /// A view without index, whose statements are read one after the other: what every index is
    /// held against.
    #[must_use]
    pub fn scanning(documents: impl IntoIterator<Item = Arc<Document>>) -> Self {
        let documents: Box<[Arc<Document>]> = documents.into_iter().collect();
        let listed = (0..).zip(&documents).flat_map(|(position, document)| {
            let statements = (0..).zip(&document.statements);
            statements.map(move |(index, statement)| Listed {
                sieve: statement.actions.sieve(),
                document: position,
                statement: index,
            })
        });
        let listed = listed.collect();
        Self::of(documents, listed, Box::default())
    }

    fn of(
        documents: Box<[Arc<Document>]>,
        listed: Box<[Listed]>,
        segments: Box<[Segment]>,
    ) -> Self {
        let mut reads: Vec<ContextKey> = documents
            .iter()
            .flat_map(|document| document.reads.iter().cloned())
            .collect();
        reads.sort_unstable();
        reads.dedup();
        let of_index = segments.iter().map(|segment| segment.index.cost());
        Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            cost: listed.len() + of_index.sum::<usize>(),
            reads: reads.into(),
            clock: Clock::of_all(documents.iter().map(|document| &document.clock)),
            documents,
            listed,
            segments,
        }
    }

    /// A view with an index, however few the statements are.
    #[must_use]
    pub fn indexed(
        documents: impl IntoIterator<Item = Arc<Document>>,
        thresholds: Thresholds,
    ) -> Self {
        let documents: Box<[Arc<Document>]> = documents.into_iter().collect();
        let segment = Segment {
            index: Arc::new(Index::build(&documents, thresholds)),
            positions: (0..).take(documents.len()).collect(),
        };
        Self::of_segments(documents, Box::new([segment]))
    }

    pub(super) fn of_segments(documents: Box<[Arc<Document>]>, segments: Box<[Segment]>) -> Self {
        Self::of(documents, Box::default(), segments)
    }

    /// The documents in their order.
    #[must_use]
    pub fn documents(&self) -> &[Arc<Document>] {
        &self.documents
    }

    /// The context keys that its documents read, each once (CACHE-2).
    #[must_use]
    pub fn reads(&self) -> &[ContextKey] {
        &self.reads
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn cost(&self) -> usize {
        self.cost
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    /// The document at a position.
    #[must_use]
    pub fn document(&self, position: u32) -> Option<&Arc<Document>> {
        self.documents.get(usize::try_from(position).ok()?)
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Tells the statements that are about a request, in the order of documents and statements.
    pub(super) fn ask(&self, caller: Caller<'_>, request: &Request<'_>, found: impl FnMut(Hit)) {
        if self.segments.is_empty() {
            self.scan(caller, request, found);
            return;
        }
        let mut hits: SmallVec<[Hit; 8]> = SmallVec::new();
        for segment in &self.segments {
            segment.index.ask(caller, request, |mut hit| {
                let position = usize::try_from(hit.document)
                    .ok()
                    .and_then(|at| segment.positions.get(at));
                if let Some(position) = position
                    && *position != GONE
                {
                    hit.document = *position;
                    hits.push(hit);
                }
            });
        }
        if hits.len() > 1 {
            order(&mut hits);
        }
        hits.into_iter().for_each(found);
    }

    /// Reads every statement.
    fn scan(&self, caller: Caller<'_>, request: &Request<'_>, mut found: impl FnMut(Hit)) {
        let asked = Sieve::of_action(request.action);
        for listed in &self.listed {
            if !listed.sieve.lets_through(asked) {
                continue;
            }
            let document = self.document(listed.document);
            let statement = document.and_then(|document| document.statement(listed.statement));
            let Some(statement) = statement else {
                continue;
            };
            if let Some((kind, truth)) = matches(statement, caller, request) {
                found(Hit {
                    document: listed.document,
                    statement: listed.statement,
                    effect: statement.effect,
                    kind,
                    truth,
                });
            }
        }
    }
}

/// Sorts hits, and joins those of one statement, which an index finds once for each of its entries.
fn order(hits: &mut SmallVec<[Hit; 8]>) {
    hits.sort_unstable_by_key(|hit| (hit.document, hit.statement));
    hits.dedup_by(|next, kept| {
        let is_same = (next.document, next.statement) == (kept.document, kept.statement);
        if is_same {
            kept.truth = kept.truth.or(next.truth);
        }
        is_same
    });
}

/// Whether a statement is about the request (EV-1), and through which kind of principal entry.
///
/// `None` when it certainly is not; the cheapest test comes first.
fn matches(
    statement: &Statement,
    caller: Caller<'_>,
    request: &Request<'_>,
) -> Option<(MatchKind, Truth)> {
    if !statement.action_matches(request.action) {
        return None;
    }
    let resource = statement.resource_matches(request.resource, request.context);
    rest_matches(statement, resource, caller, request)
}

/// As [`matches`] for a statement whose action matches and whose resource does as told.
pub(super) fn rest_matches(
    statement: &Statement,
    resource: Truth,
    caller: Caller<'_>,
    request: &Request<'_>,
) -> Option<(MatchKind, Truth)> {
    if resource == Truth::False {
        return None;
    }
    let kind = caller.matched_by(statement.effect, statement.principal.as_deref())?;
    let truth = resource.and(statement.conditions_hold(request.context));
    (truth != Truth::False).then_some((kind, truth))
}
