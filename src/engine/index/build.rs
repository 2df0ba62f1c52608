//! From documents to their index.

mod key;

use super::fragments::Fragments;
use super::names::Names;
use super::selector::{Selector, Selectors, Set};
use super::trie::{Keyed, Trie};
use super::{
    ANY_HEAD, DENIES, Entry, Group, Index, MORE, Shape, Tail, TailKind, Thresholds, Tries, Valued,
    WHOLE,
};
use crate::engine::actions::{ActionTest, Actions};
use crate::engine::condition::Test;
use crate::engine::document::{Document, Head, ResourceTest, Resources, Statement};
use crate::engine::pattern::Pattern;
use crate::model::ContextKey;
use crate::policy::Effect;
use key::{Counts, Key, literals};
use smallvec::SmallVec;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

impl Index {
    /// Builds the index of some documents.
    pub(in crate::engine) fn build(documents: &[Arc<Document>], thresholds: Thresholds) -> Self {
        let mut builder = Builder::default();
        for (document, compiled) in (0..).zip(documents) {
            for (number, statement) in (0..).zip(&compiled.statements) {
                builder.statement(document, number, statement);
            }
        }
        let every = builder.every.finish(thresholds);
        let names = builder.numbers.keys().copied();
        // The names are sorted, and numbered in this order; the groups came as they were met.
        let services = Names::new(names);
        let mut groups: Vec<Option<Drafts<'_>>> = builder.groups.into_iter().map(Some).collect();
        let in_order = builder
            .numbers
            .values()
            .filter_map(|number| groups.get_mut(*number)?.take());
        Self {
            documents: documents.into(),
            services,
            groups: in_order.map(|drafts| drafts.finish(thresholds)).collect(),
            every: (!every.is_empty()).then(|| Box::new(every)),
            heads: builder.heads.list.into(),
        }
    }

    /// About how much memory it takes, in bytes.
    pub(in crate::engine) fn bytes(&self) -> usize {
        let groups = self.groups.iter().chain(self.every.as_deref());
        groups.map(Group::bytes).sum::<usize>()
            + self.services.bytes()
            + size_of_val(&*self.documents)
            + size_of_val(&*self.heads)
    }
}

#[derive(Default)]
struct Builder<'d> {
    /// The position of each service among the groups.
    numbers: BTreeMap<&'d str, usize>,
    groups: Vec<Drafts<'d>>,
    every: Drafts<'d>,
    heads: Heads,
    /// What an action element, by its address, means: in which groups which selector.
    known: HashMap<*const Actions, Meaning>,
}

/// A group (none is the one of every service), and the selector there.
type Meaning = SmallVec<[(Option<usize>, Selector); 1]>;

#[derive(Default)]
struct Heads {
    list: Vec<Arc<Head>>,
    numbers: HashMap<*const Head, u16>,
}

/// A group in the making.
#[derive(Default)]
struct Drafts<'d> {
    names: Vec<&'d str>,
    numbers: HashMap<&'d str, u32>,
    /// What each set names, and its patterns.
    sets: Vec<(Vec<u32>, Vec<&'d Pattern>)>,
    prefix: &'d str,
    entries: Vec<Draft<'d>>,
}

#[derive(Clone)]
struct Draft<'d> {
    entry: Entry,
    key: Key<'d>,
    demand: Option<&'d Statement>,
}

impl<'d> Builder<'d> {
    fn statement(&mut self, document: u32, number: u32, statement: &'d Statement) {
        let meaning = self.meaning(&statement.actions);
        let mut flags = 0;
        if statement.effect == Effect::Deny {
            flags |= DENIES;
        }
        if statement.principal.is_some() || !statement.conditions.is_empty() {
            flags |= MORE;
        }
        for (head, whole, key) in self.keys(&statement.resources) {
            for (group, actions) in &meaning {
                let entry = Entry {
                    document,
                    statement: number,
                    actions: *actions,
                    head,
                    flags: if whole { flags | WHOLE } else { flags },
                };
                let group = match group {
                    Some(at) => self.groups.get_mut(*at),
                    None => Some(&mut self.every),
                };
                if let Some(group) = group {
                    let demand = (!statement.conditions.is_empty()).then_some(statement);
                    group.entries.push(Draft { entry, key, demand });
                }
            }
        }
    }

    /// By what the entries of a resource element are found: the head, whether the whole element has
    /// to be tested, and the key.
    fn keys(&mut self, resources: &'d Resources) -> SmallVec<[(u16, bool, Key<'d>); 2]> {
        let mut keys = SmallVec::new();
        let Some((negated, entries)) = resources.entries() else {
            keys.push((ANY_HEAD, false, Key::Broad));
            return keys;
        };
        let is_open = |entry: &ResourceTest| {
            matches!(
                entry,
                ResourceTest::Arn {
                    name: Pattern::Variable(_),
                    ..
                }
            )
        };
        // RES-9: what a variable has no value for is open, whatever else the entry says.
        if negated || entries.iter().any(is_open) {
            keys.push((ANY_HEAD, true, Key::Broad));
            return keys;
        }
        if entries
            .iter()
            .any(|entry| matches!(entry, ResourceTest::All))
        {
            keys.push((ANY_HEAD, false, Key::Broad));
            return keys;
        }
        for entry in entries {
            let ResourceTest::Arn { head, name } = entry else {
                continue;
            };
            let (number, unnumbered) = match self.heads.number(head) {
                Some(number) => (number, false),
                None => (ANY_HEAD, true),
            };
            let (whole, key) = match name {
                Pattern::Any => (false, Key::Broad),
                Pattern::Literal(text) => (false, Key::Exact(text)),
                Pattern::Prefix(text) => (false, Key::Prefix(text)),
                Pattern::Glob(tokens) => (true, literals(tokens)),
                Pattern::Variable(_) => (true, Key::Broad),
            };
            keys.push((number, whole || unnumbered, key));
        }
        keys
    }

    fn meaning(&mut self, actions: &'d Arc<Actions>) -> Meaning {
        let address = Arc::as_ptr(actions);
        if let Some(known) = self.known.get(&address) {
            return known.clone();
        }
        let meaning = self.read(actions);
        self.known.insert(address, meaning.clone());
        meaning
    }

    fn read(&mut self, actions: &'d Actions) -> Meaning {
        if actions.negated {
            return [(None, Selector::ASK)].into_iter().collect();
        }
        let mut by_service: BTreeMap<&str, Vec<&'d ActionTest>> = BTreeMap::new();
        for entry in &actions.entries {
            match entry.prefix() {
                None => return [(None, Selector::ALL)].into_iter().collect(),
                Some(prefix) => by_service.entry(prefix).or_default().push(entry),
            }
        }
        let mut meaning = Meaning::new();
        for (prefix, entries) in by_service {
            let next = self.groups.len();
            let at = *self.numbers.entry(prefix).or_insert(next);
            if at == next {
                self.groups.push(Drafts {
                    prefix,
                    ..Drafts::default()
                });
            }
            if let Some(group) = self.groups.get_mut(at) {
                meaning.push((Some(at), group.selector(&entries)));
            }
        }
        meaning
    }
}

impl Heads {
    /// The number of a head; `None` when there are too many.
    fn number(&mut self, head: &Arc<Head>) -> Option<u16> {
        let address = Arc::as_ptr(head);
        if let Some(known) = self.numbers.get(&address) {
            return Some(*known);
        }
        let number = u16::try_from(self.list.len()).ok()?;
        if number == ANY_HEAD {
            return None;
        }
        self.list.push(Arc::clone(head));
        self.numbers.insert(address, number);
        Some(number)
    }
}

impl<'d> Drafts<'d> {
    fn selector(&mut self, entries: &[&'d ActionTest]) -> Selector {
        let mut names = Vec::new();
        let mut patterns = Vec::new();
        for entry in entries {
            match entry {
                ActionTest::All
                | ActionTest::Named {
                    name: Pattern::Any, ..
                } => return Selector::ALL,
                ActionTest::Literal { folded, .. } => names.push(self.name(folded)),
                ActionTest::Named { name, .. } => patterns.push(name),
            }
        }
        if let ([only], []) = (names.as_slice(), patterns.as_slice()) {
            return Selector::one(*only);
        }
        let selector = Selector::set(self.sets.len());
        self.sets.push((names, patterns));
        selector
    }

    fn name(&mut self, folded: &'d str) -> u32 {
        let next = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(folded).or_insert(next);
        if number == next {
            self.names.push(folded);
        }
        number
    }

    fn finish(self, thresholds: Thresholds) -> Group {
        let selectors = self.selectors();
        let shape = if self.entries.len() <= thresholds.listed {
            list(&self.entries)
        } else {
            Shape::Tries(Box::new(tries(
                self.entries,
                &selectors,
                self.names.len(),
                thresholds,
            )))
        };
        Group {
            names: Names::new(self.names),
            selectors,
            shape,
        }
    }

    /// Every set over all names of the group, which are known only now.
    fn selectors(&self) -> Selectors {
        let behind_prefix = |name: &'d str| name.get(self.prefix.len() + 1..).unwrap_or_default();
        let sets = self.sets.iter().map(|(names, patterns)| {
            let by_pattern = (0..).zip(&self.names).filter(|(_, name)| {
                let name = behind_prefix(name);
                patterns.iter().any(|pattern| pattern.matches_plain(name))
            });
            let by_pattern = by_pattern.map(|(number, _)| number);
            let all = names.iter().copied().chain(by_pattern);
            let patterns = patterns.iter().map(|pattern| (*pattern).clone()).collect();
            Set::new(self.names.len(), all, patterns)
        });
        Selectors::new(sets.collect())
    }
}

fn list(drafts: &[Draft<'_>]) -> Shape {
    let mut texts = String::new();
    let entries = drafts.iter().map(|draft| {
        let (text, kind) = match draft.key {
            Key::Exact(text) => (text, TailKind::Exact),
            Key::Glob("", ..) | Key::Inside(_) | Key::Broad => ("", TailKind::Any),
            Key::Prefix(text) | Key::Glob(text, ..) => (text, TailKind::Prefix),
        };
        let tail = Tail {
            start: u32::try_from(texts.len()).unwrap_or(u32::MAX),
            length: u16::try_from(text.len()).unwrap_or(u16::MAX),
            kind,
        };
        texts.push_str(text);
        (draft.entry, tail)
    });
    Shape::List {
        entries: entries.collect(),
        texts: texts.into(),
    }
}

fn tries(
    drafts: Vec<Draft<'_>>,
    selectors: &Selectors,
    name_count: usize,
    thresholds: Thresholds,
) -> Tries {
    let mut counts = Counts::default();
    for draft in &drafts {
        counts.add(draft.key);
    }
    let mut forward = Vec::new();
    let mut backward = Vec::new();
    let mut inside = Vec::new();
    let mut broad = Vec::new();
    for draft in drafts {
        let entry = draft.entry;
        match counts.rarest(draft.key) {
            Key::Exact(text) => forward.push((text, false, entry)),
            Key::Inside(text) => inside.push((text, draft)),
            Key::Glob("", text, _) => {
                backward.push((text.bytes().rev().collect::<Vec<u8>>(), entry));
            }
            Key::Prefix(text) | Key::Glob(text, ..) => forward.push((text, true, entry)),
            Key::Broad => broad.push(draft),
        }
    }
    let mut fragments = None;
    if inside.len() >= thresholds.keyed {
        let entries = inside.iter().map(|(text, draft)| (*text, draft.entry));
        fragments = Fragments::build(entries);
    }
    // What cannot be found by its middle is not lost.
    if fragments.is_none() {
        broad.extend(inside.into_iter().map(|(_, draft)| draft));
    }
    let forward = forward.into_iter().map(|(key, open, entry)| Keyed {
        key: key.as_bytes(),
        open,
        entry,
    });
    let backward = backward.iter().map(|(key, entry)| Keyed {
        key,
        open: true,
        entry: *entry,
    });
    let mut by_name: Vec<Vec<Entry>> = vec![Vec::new(); name_count];
    // What names its actions is found by them, as long as few name the same ones.
    let mut shares = vec![0_usize; name_count];
    let listed: Vec<Option<Vec<usize>>> = broad
        .iter()
        .map(|draft| names_of(draft.entry.actions, selectors, name_count))
        .collect();
    for name in listed.iter().flatten().flatten() {
        if let Some(count) = shares.get_mut(*name) {
            *count += 1;
        }
    }
    let mut others = Vec::new();
    for (draft, names) in broad.into_iter().zip(listed) {
        let crowded = |name: &usize| {
            let count = shares.get(*name).copied().unwrap_or_default();
            count > thresholds.keyed
        };
        match names {
            Some(names) if !(draft.demand.is_some() && names.iter().any(crowded)) => {
                for name in names {
                    if let Some(entries) = by_name.get_mut(name) {
                        entries.push(draft.entry);
                    }
                }
            }
            names => others.push((draft, names)),
        }
    }
    let (valued, left) = valued(others, thresholds);
    let mut rest = Vec::new();
    for (entry, names) in left {
        let Some(names) = names else {
            rest.push(entry);
            continue;
        };
        for name in names {
            if let Some(entries) = by_name.get_mut(name) {
                entries.push(entry);
            }
        }
    }
    let (starts, named) = flat(by_name);
    Tries {
        forward: Trie::build(forward.collect(), false),
        backward: Trie::build(backward.collect(), true),
        fragments: fragments.map(Box::new),
        starts,
        named,
        valued,
        rest: rest.into(),
    }
}

/// The numbers of the actions of a selector, if it is a list of them.
fn names_of(actions: Selector, selectors: &Selectors, name_count: usize) -> Option<Vec<usize>> {
    if let Some(one) = actions.as_one() {
        return Some(vec![usize::try_from(one).ok()?]);
    }
    let set = selectors.get(actions).filter(|set| set.is_of_names())?;
    let has = |name: &usize| u32::try_from(*name).is_ok_and(|name| set.has(name));
    Some((0..name_count).filter(has).collect())
}

/// An entry with the numbers of its actions, if it lists them.
type Listed = (Entry, Option<Vec<usize>>);

/// Takes those out that demand a value of a context key.
fn valued<'d>(
    drafts: Vec<(Draft<'d>, Option<Vec<usize>>)>,
    thresholds: Thresholds,
) -> (Box<[Valued]>, Vec<Listed>) {
    let mut by_key: BTreeMap<&'d ContextKey, Vec<(Listed, Vec<&'d str>)>> = BTreeMap::new();
    let mut others = Vec::new();
    for (draft, names) in drafts {
        let listed = (draft.entry, names);
        let conditions = draft.demand.map(|statement| &*statement.conditions);
        let mut demands = conditions.unwrap_or_default().iter();
        match demands.find_map(Test::demanded) {
            Some((key, values)) => by_key.entry(key).or_default().push((listed, values)),
            None => others.push(listed),
        }
    }
    let mut found = Vec::new();
    for (key, entries) in by_key {
        if entries.len() < thresholds.keyed {
            others.extend(entries.into_iter().map(|(listed, _)| listed));
            continue;
        }
        let mut of_value: BTreeMap<&str, Vec<Entry>> = BTreeMap::new();
        for ((entry, _), values) in entries {
            for value in values {
                of_value.entry(value).or_default().push(entry);
            }
        }
        let values = Names::new(of_value.keys().copied());
        let (starts, entries) = flat(of_value.into_values());
        found.push(Valued {
            key: key.clone(),
            values,
            starts,
            entries,
        });
    }
    (found.into(), others)
}

/// Lists one behind the other, with where each begins.
pub(super) fn flat(lists: impl IntoIterator<Item = Vec<Entry>>) -> (Box<[u32]>, Box<[Entry]>) {
    let mut starts = vec![0];
    let mut all = Vec::new();
    for list in lists {
        all.extend(list);
        starts.push(u32::try_from(all.len()).unwrap_or(u32::MAX));
    }
    (starts.into(), all.into())
}

impl Group {
    fn is_empty(&self) -> bool {
        matches!(&self.shape, Shape::List { entries, .. } if entries.is_empty())
    }

    fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.names.bytes()
            + self.selectors.bytes()
            + match &self.shape {
                Shape::List { entries, texts } => size_of_val(&**entries) + texts.len(),
                Shape::Tries(tries) => {
                    tries.forward.bytes()
                        + tries.backward.bytes()
                        + tries
                            .fragments
                            .as_ref()
                            .map_or(0, |fragments| fragments.bytes())
                        + size_of_val(&*tries.named)
                        + size_of_val(&*tries.rest)
                        + tries
                            .valued
                            .iter()
                            .map(|valued| valued.values.bytes() + size_of_val(&*valued.entries))
                            .sum::<usize>()
                }
            }
    }
}
