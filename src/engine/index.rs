//! An index of statements: it finds those that can be about a request without reading the others.
//!
//! It is asked by the service and the name of the action, and by the resource part of the ARN. What
//! it finds it tests: an entry that is found for nothing costs time and no more, so the one thing
//! that must hold of an index is that it misses nothing. Property tests hold it against reading
//! every statement.

mod build;
mod fragments;
mod names;
mod selector;
mod trie;

use crate::engine::document::{Document, Head, Statement};
use crate::engine::principal::{Caller, MatchKind};
use crate::engine::truth::Truth;
use crate::engine::view::{Hit, rest_matches};
use crate::model::{Arn, ContextKey, ContextValue, Request};
use crate::policy::Effect;
use fragments::Fragments;
use names::Names;
use selector::{Selector, Selectors};
use std::sync::Arc;
use trie::Trie;

/// From which sizes on an index is more than lists. Lower ones find the same, and take longer; they
/// are for tests with few statements.
#[derive(Clone, Copy, Debug)]
pub struct Thresholds {
    /// Up to how many entries the statements about one service are a list.
    pub listed: usize,
    /// From how many entries on it pays to find them by the value that they demand, or by a piece
    /// of text in their middle.
    pub keyed: usize,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            listed: 24,
            keyed: 8,
        }
    }
}

/// The statements of some documents by service.
#[derive(Debug)]
pub(super) struct Index {
    documents: Box<[Arc<Document>]>,
    /// The different heads of resource patterns.
    heads: Box<[Arc<Head>]>,
    services: Names,
    /// One for each service, in the order of `services`.
    groups: Box<[Group]>,
    /// Statements about every service.
    every: Option<Box<Group>>,
}

/// The statements about one service.
#[derive(Debug)]
struct Group {
    /// The actions that statements name in full.
    names: Names,
    selectors: Selectors,
    shape: Shape,
}

#[derive(Debug)]
enum Shape {
    /// A few: they are tried one after the other.
    List {
        entries: Box<[(Entry, Tail)]>,
        texts: Box<str>,
    },
    /// Many.
    Tries(Box<Tries>),
}

/// A statement in as far as it is about one service and one resource pattern.
#[derive(Clone, Copy, Debug)]
struct Entry {
    document: u32,
    statement: u32,
    actions: Selector,
    /// The position among the heads, or [`ANY_HEAD`].
    head: u16,
    flags: u8,
}

/// The entry says nothing of components two to five.
const ANY_HEAD: u16 = u16::MAX;

/// The statement denies.
const DENIES: u8 = 1;
/// The resource element as a whole has to be tested.
const WHOLE: u8 = 2;
/// There are conditions, or principals.
const MORE: u8 = 4;

/// What an entry of a list says of the resource part of an ARN.
#[derive(Clone, Copy, Debug)]
struct Tail {
    start: u32,
    length: u16,
    kind: TailKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TailKind {
    Any,
    Exact,
    Prefix,
}

/// The statements of a large group, by what can be told of the resource.
#[derive(Debug)]
struct Tries {
    /// By the literal beginning of the resource part, or all of it.
    forward: Trie,
    /// By its literal end.
    backward: Trie,
    /// By a literal piece in its middle.
    fragments: Option<Box<Fragments>>,
    /// Statements on no resource in particular, by name of the action: where those of a name begin
    /// in `named`.
    starts: Box<[u32]>,
    named: Box<[Entry]>,
    /// Such that demand a value of a context key, by the value.
    valued: Box<[Valued]>,
    /// The others.
    rest: Box<[Entry]>,
}

/// Statements that hold for one of some values of a context key and for nothing else.
#[derive(Debug)]
struct Valued {
    key: ContextKey,
    values: Names,
    /// Where the entries of a value begin.
    starts: Box<[u32]>,
    entries: Box<[Entry]>,
}

/// What is asked, in the form of an index.
struct Probe<'p, 'r> {
    index: &'p Index,
    group: &'p Group,
    /// The action among the names of the group.
    name: Option<u32>,
    arn: Option<&'r Arn>,
    caller: Caller<'r>,
    request: &'r Request<'r>,
}

impl Index {
    /// Tells every statement that is about a request; one with several resources may be told more
    /// than once. Documents are counted as they were given to [`build`](Self::build).
    pub(super) fn ask<'r>(
        &self,
        caller: Caller<'r>,
        request: &'r Request<'r>,
        mut found: impl FnMut(Hit),
    ) {
        let action = request.action;
        let service = self
            .services
            .find(action.prefix_fingerprint(), action.prefix())
            .and_then(|at| self.groups.get(usize::try_from(at).ok()?));
        for group in service.into_iter().chain(self.every.as_deref()) {
            let probe = Probe {
                index: self,
                group,
                name: group.names.find(action.fingerprint(), action.folded()),
                arn: request.resource.name.arn(),
                caller,
                request,
            };
            probe.ask(&mut found);
        }
    }

    /// How many entries a question may have to test that no key tells apart, at the most.
    pub(super) fn cost(&self) -> usize {
        let groups = self.groups.iter().map(Group::cost).max();
        let every = self.every.as_deref().map(Group::cost);
        groups.unwrap_or_default() + every.unwrap_or_default()
    }

    /// The documents, in the order in which they are counted.
    pub(super) fn documents(&self) -> &[Arc<Document>] {
        &self.documents
    }

    fn statement(&self, entry: &Entry) -> Option<&Statement> {
        let document = self.documents.get(usize::try_from(entry.document).ok()?)?;
        document.statement(entry.statement)
    }
}

impl Group {
    fn cost(&self) -> usize {
        match &self.shape {
            Shape::List { entries, .. } => entries.len(),
            Shape::Tries(tries) => {
                let bounds = tries.starts.windows(2);
                let of_name = bounds.map(|bounds| match bounds {
                    [from, to] => usize::try_from(to - from).unwrap_or(usize::MAX),
                    _ => 0,
                });
                tries
                    .rest
                    .len()
                    .saturating_add(of_name.max().unwrap_or_default())
            }
        }
    }
}

impl Probe<'_, '_> {
    fn ask(&self, found: &mut impl FnMut(Hit)) {
        match &self.group.shape {
            Shape::List { entries, texts } => {
                let resource = self.arn.map(Arn::resource);
                for (entry, tail) in entries {
                    if tail.fits(resource, texts) {
                        self.test(entry, found);
                    }
                }
            }
            Shape::Tries(tries) => self.ask_tries(tries, found),
        }
    }

    fn ask_tries(&self, tries: &Tries, found: &mut impl FnMut(Hit)) {
        let mut test_all = |entries: &[Entry]| {
            for entry in entries {
                self.test(entry, found);
            }
        };
        if let Some(arn) = self.arn {
            let resource = arn.resource().as_bytes();
            tries.forward.walk(resource, &mut test_all);
            tries.backward.walk(resource, &mut test_all);
            if let Some(fragments) = &tries.fragments {
                fragments.find(resource, &mut test_all);
            }
        }
        if let Some(name) = self.name {
            test_all(slice(&tries.named, &tries.starts, name));
        }
        for valued in &tries.valued {
            match self.request.context.get(&valued.key) {
                // What demands a value does not hold without one.
                None => {}
                Some(ContextValue::Values(values)) if values.len() == 1 => {
                    let value = values
                        .first()
                        .and_then(|value| valued.values.find_text(value));
                    if let Some(value) = value {
                        test_all(slice(&valued.entries, &valued.starts, value));
                    }
                }
                // Unknown, or more values than there should be: it cannot be told, and a denial
                // applies then (GEN-3).
                Some(ContextValue::Unknown | ContextValue::Values(_)) => test_all(&valued.entries),
            }
        }
        test_all(&tries.rest);
    }

    /// Tests what an entry says beyond that by which it was found.
    fn test(&self, entry: &Entry, found: &mut impl FnMut(Hit)) {
        let action = self.request.action;
        let by_selector = self.group.selectors.test(entry.actions, self.name, action);
        if by_selector == Some(false) {
            return;
        }
        if entry.head != ANY_HEAD {
            let head = self.index.heads.get(usize::from(entry.head));
            let covers = |arn: &Arn| head.is_some_and(|head| head.covers(arn));
            if !self.arn.is_some_and(covers) {
                return;
            }
        }
        let mut hit = Hit {
            document: entry.document,
            statement: entry.statement,
            effect: if entry.flags & DENIES == 0 {
                Effect::Allow
            } else {
                Effect::Deny
            },
            kind: MatchKind::Direct,
            truth: Truth::True,
        };
        if entry.flags & (WHOLE | MORE) != 0 || by_selector.is_none() {
            let Some(statement) = self.index.statement(entry) else {
                return;
            };
            if by_selector.is_none() && !statement.action_matches(action) {
                return;
            }
            let resource = if entry.flags & WHOLE == 0 {
                Truth::True
            } else {
                statement.resource_matches(self.request.resource, self.request.context)
            };
            match rest_matches(statement, resource, self.caller, self.request) {
                Some((kind, truth)) => (hit.kind, hit.truth) = (kind, truth),
                None => return,
            }
        }
        found(hit);
    }
}

impl Tail {
    /// Whether a resource part, or an action without resource, can be meant.
    fn fits(self, resource: Option<&str>, texts: &str) -> bool {
        if self.kind == TailKind::Any {
            return true;
        }
        let start = usize::try_from(self.start).unwrap_or(usize::MAX);
        let text = texts.get(start..start.saturating_add(usize::from(self.length)));
        match (resource, text) {
            (Some(resource), Some(text)) if self.kind == TailKind::Exact => resource == text,
            (Some(resource), Some(text)) => resource.starts_with(text),
            // An action without resource; a text that is not there cannot be.
            (None, _) | (_, None) => false,
        }
    }
}

/// The entries of one number, by where those of each number begin.
fn slice<'e>(entries: &'e [Entry], starts: &[u32], number: u32) -> &'e [Entry] {
    let find = || {
        let at = usize::try_from(number).ok()?;
        let bound = |at: usize| usize::try_from(*starts.get(at)?).ok();
        entries.get(bound(at)?..bound(at + 1)?)
    };
    find().unwrap_or_default()
}
