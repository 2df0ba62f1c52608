//! Compiles the documents of a bundle, each of them once, and takes over from the set before what
//! has not changed.

use crate::engine::document::{Document, Interner};
use crate::engine::index::{Index, Thresholds};
use crate::engine::view::{GONE, Segment, View};
use crate::model::ContextKey;
use crate::policy::{Place, Policy};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// From how many statements on a document that several views share has an index of its own, which
/// they share too.
const SHARED_FROM: usize = 32;

/// The most such documents of one view: each of them is asked by itself.
const MAX_SHARED: usize = 8;

/// From how many statements on the index of a view is kept when documents of it change, and the
/// changed ones get one of their own.
const KEPT_FROM: usize = 2_000;

/// What a compilation leaves for the next one.
#[derive(Debug, Default)]
pub(super) struct Compiled {
    /// By name; two policies of one name stand in two places.
    documents: HashMap<Arc<str>, Vec<Arc<Document>>>,
    views: HashMap<Box<[usize]>, Arc<View>>,
    indexes: HashMap<usize, Arc<Index>>,
}

/// What may be taken over from an earlier compilation.
#[derive(Clone, Copy)]
pub struct Unchanged<'a> {
    /// The policies as they were compiled then.
    pub before: &'a super::PolicySet,
    /// Whether a file of the bundle says the same as then, and is read by the same condition keys
    /// and accounts.
    pub is_same_file: &'a dyn Fn(&str) -> bool,
}

pub(super) struct Compiler<'a> {
    interner: Interner,
    unchanged: Option<Unchanged<'a>>,
    compiled: Compiled,
    /// How many different views each large document stands in.
    shares: HashMap<usize, usize>,
}

/// What tells a document from every other one as long as it is held.
fn address(document: &Arc<Document>) -> usize {
    Arc::as_ptr(document).addr()
}

fn addresses(documents: &[Arc<Document>]) -> Box<[usize]> {
    documents.iter().map(address).collect()
}

fn statements<'d>(documents: impl IntoIterator<Item = &'d Arc<Document>>) -> usize {
    documents.into_iter().map(|document| document.len()).sum()
}

impl<'a> Compiler<'a> {
    pub(super) fn new(unchanged: Option<Unchanged<'a>>) -> Self {
        Self {
            interner: Interner::default(),
            unchanged,
            compiled: Compiled::default(),
            shares: HashMap::new(),
        }
    }

    /// The document of a policy, under the name by which reasons call it.
    pub(super) fn document(&mut self, name: &str, policy: &Policy) -> Arc<Document> {
        if let Some(known) = self.compiled.document(name, &policy.place) {
            return Arc::clone(known);
        }
        let taken_over = self.unchanged.and_then(|unchanged| {
            let known = unchanged.before.compiled().document(name, &policy.place)?;
            is_unchanged(unchanged, &policy.place).then(|| Arc::clone(known))
        });
        let document = taken_over.unwrap_or_else(|| Arc::new(self.interner.document(name, policy)));
        let of_name = self.compiled.documents.entry(Arc::clone(&document.name));
        of_name.or_default().push(Arc::clone(&document));
        document
    }

    /// Notes that there will be a view of these documents.
    pub(super) fn announce(&mut self, documents: &[Arc<Document>]) {
        for document in documents {
            if document.len() >= SHARED_FROM {
                *self.shares.entry(address(document)).or_default() += 1;
            }
        }
    }

    /// The view of these documents. `before` is the one that stood in its place, if one did.
    pub(super) fn view(
        &mut self,
        documents: Vec<Arc<Document>>,
        before: Option<&Arc<View>>,
    ) -> Arc<View> {
        let key = addresses(&documents);
        if let Some(known) = self.compiled.views.get(&key) {
            return Arc::clone(known);
        }
        let old = self.unchanged.map(|unchanged| unchanged.before.compiled());
        let taken_over = old.and_then(|old| old.views.get(&key)).map(Arc::clone);
        let view = taken_over.unwrap_or_else(|| {
            let documents: Box<[Arc<Document>]> = documents.into();
            Arc::new(
                match before.and_then(|before| patched(before, &documents)) {
                    Some(segments) => View::of_segments(documents, segments),
                    None => self.built(documents),
                },
            )
        });
        self.compiled.views.insert(key, Arc::clone(&view));
        view
    }

    /// A view whose large documents have the indexes that other views have too.
    fn built(&mut self, documents: Box<[Arc<Document>]>) -> View {
        let is_shared = |document: &Arc<Document>| {
            let shares = self.shares.get(&address(document)).copied();
            shares.unwrap_or_default() > 1
        };
        let mut shared: Vec<(u32, &Arc<Document>)> = (0..)
            .zip(&documents)
            .filter(|(_, document)| is_shared(document))
            .collect();
        if shared.is_empty() || statements(&documents) < SHARED_FROM {
            return View::new(documents);
        }
        shared.sort_by_key(|(_, document)| std::cmp::Reverse(document.len()));
        shared.truncate(MAX_SHARED);
        let mut segments = Vec::new();
        for (position, document) in &shared {
            segments.push(Segment {
                index: shared_index(&mut self.compiled.indexes, self.unchanged, document),
                positions: [*position].into(),
            });
        }
        let is_left = |position: u32| shared.iter().all(|(other, _)| *other != position);
        segments.extend(segment_of(&documents, is_left));
        View::of_segments(documents, segments.into())
    }

    /// What the next compilation can take over.
    pub(super) fn finish(self) -> Compiled {
        self.compiled
    }
}

impl Compiled {
    /// Every document, in no order.
    pub(super) fn documents(&self) -> impl Iterator<Item = &Arc<Document>> {
        self.documents.values().flatten()
    }

    /// The context keys that any document reads. They are those of all views too: nothing that some
    /// view reads may be missing, for what is missing here is not found out for anybody.
    pub(super) fn reads(&self) -> HashSet<&ContextKey> {
        let of_documents = self.documents().flat_map(|document| &*document.reads);
        let of_views = self.views.values().flat_map(|view| view.reads());
        of_documents.chain(of_views).collect()
    }

    fn document(&self, name: &str, place: &Place) -> Option<&Arc<Document>> {
        let mut of_name = self.documents.get(name)?.iter();
        of_name.find(|document| document.place == *place)
    }

    /// About how much memory documents and indexes take, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let documents = self.documents().map(|document| document.bytes());
        // What several views share counts once.
        let mut indexes: HashMap<*const Index, usize> = HashMap::new();
        for segment in self.views.values().flat_map(|view| view.segments()) {
            let index = &segment.index;
            indexes
                .entry(Arc::as_ptr(index))
                .or_insert_with(|| index.bytes());
        }
        documents.chain(indexes.into_values()).sum()
    }
}

fn is_unchanged(unchanged: Unchanged<'_>, place: &Place) -> bool {
    (unchanged.is_same_file)(&place.file)
}

fn shared_index(
    indexes: &mut HashMap<usize, Arc<Index>>,
    unchanged: Option<Unchanged<'_>>,
    document: &Arc<Document>,
) -> Arc<Index> {
    let at = address(document);
    let build = || {
        let old = unchanged.and_then(|unchanged| unchanged.before.compiled().indexes.get(&at));
        let build = || {
            Arc::new(Index::build(
                std::slice::from_ref(document),
                Thresholds::default(),
            ))
        };
        old.map_or_else(build, Arc::clone)
    };
    Arc::clone(indexes.entry(at).or_insert_with(build))
}

/// An index of those documents whose positions are wanted; none where there are none.
fn segment_of(documents: &[Arc<Document>], wanted: impl Fn(u32) -> bool) -> Option<Segment> {
    let wanted = (0..)
        .zip(documents)
        .filter(|(position, _)| wanted(*position));
    let (positions, documents): (Vec<u32>, Vec<Arc<Document>>) = wanted
        .map(|(position, document)| (position, Arc::clone(document)))
        .unzip();
    (!documents.is_empty()).then(|| Segment {
        index: Arc::new(Index::build(&documents, Thresholds::default())),
        positions: positions.into(),
    })
}

/// The large index of a view, and a small one of the documents that are not in it. `None` where too
/// much has changed, and building anew is the better thing.
fn patched(before: &View, documents: &[Arc<Document>]) -> Option<Box<[Segment]>> {
    let all = statements(documents);
    let base = before
        .segments()
        .iter()
        .max_by_key(|segment| segment.index.documents().len())?;
    if all < KEPT_FROM {
        return None;
    }
    let mut positions: HashMap<usize, u32> = HashMap::with_capacity(documents.len());
    for (position, document) in (0..).zip(documents) {
        // A document that stands in a view twice is too odd to be kept up with.
        if positions.insert(address(document), position).is_some() {
            return None;
        }
    }
    let mut kept = 0;
    let moved = base.index.documents().iter().map(|document| {
        let position = positions.remove(&address(document));
        kept += position.map_or(0, |_| document.len());
        position.unwrap_or(GONE)
    });
    let moved: Arc<[u32]> = moved.collect();
    let gone = statements(base.index.documents()) - kept;
    if (all - kept).max(gone) > all / 20 {
        return None;
    }
    let left: HashSet<u32> = positions.into_values().collect();
    let base = Segment {
        index: Arc::clone(&base.index),
        positions: moved,
    };
    let rest = segment_of(documents, |position| left.contains(&position));
    Some(std::iter::once(base).chain(rest).collect())
}
