//! Compiled policy documents.

use crate::engine::actions::Actions;
use crate::engine::condition::Test;
use crate::engine::decision_cache::{Clock, clock};
use crate::engine::pattern::{Hole, Pattern};
use crate::engine::truth::Truth;
use crate::model::{Action, Arn, Context, ContextKey, Resource};
use crate::policy::template::{Template, Token};
use crate::policy::{
    ConditionValue, Effect, Element, Place, Policy, PrincipalEntry, ResourcePattern,
};
use std::collections::HashMap;
use std::sync::Arc;

/// A policy document in the form in which requests are judged by it.
#[derive(Debug)]
pub struct Document {
    /// What the document is called in reasons.
    pub name: Arc<str>,
    /// Where it is written.
    pub place: Place,
    /// Its statements.
    pub(super) statements: Box<[Statement]>,
    /// The context keys that its conditions and variables read (CACHE-2).
    pub(super) reads: Box<[ContextKey]>,
    /// How the time enters into what it says.
    pub(super) clock: Clock,
    /// The `Sid`s of the statements, one behind the other.
    sids: Box<str>,
}

/// A statement, small: a large set has hundreds of thousands of them.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) principal: Option<Box<Element<PrincipalEntry>>>,
    pub(super) actions: Arc<Actions>,
    pub(super) resources: Resources,
    pub(super) conditions: Box<[Test]>,
    line: u32,
    column: u32,
    /// Where its `Sid` ends among those of its document; it begins where the one before ends.
    sid_end: u32,
    pub(super) effect: Effect,
}

/// The resource element of a statement.
#[derive(Debug)]
pub(super) enum Resources {
    /// There is none: whatever the document is attached to is meant.
    Own,
    /// `Resource` with one entry.
    One(ResourceTest),
    /// Any other.
    Listed(Box<Element<ResourceTest>>),
}

#[derive(Debug)]
pub(super) enum ResourceTest {
    All,
    Arn { head: Arc<Head>, name: Pattern },
}

/// Components two to five of a resource pattern.
#[derive(Debug)]
pub(super) enum Head {
    /// Without wildcards, with the colons between them.
    Literal(Box<str>),
    Patterns([Pattern; 4]),
}

/// The context keys that a policy reads, each once, and those among them that are variables.
fn reads(policy: &Policy) -> (Box<[ContextKey]>, Vec<ContextKey>) {
    let mut keys = Vec::new();
    let mut variables = Vec::new();
    for statement in &policy.statements {
        let resources = statement.resource.iter();
        let resources = resources.flat_map(|element| &element.entries);
        for template in resources.filter_map(ResourcePattern::variable_part) {
            variables.extend(template.variables().cloned());
        }
        for condition in &statement.conditions {
            keys.push(condition.key.clone());
            for value in &condition.values {
                if let ConditionValue::Text(template) = value {
                    variables.extend(template.variables().cloned());
                }
            }
        }
    }
    keys.extend_from_slice(&variables);
    keys.sort_unstable();
    keys.dedup();
    (keys.into(), variables)
}

/// Compiles documents, and lets them share what many of them say alike.
#[derive(Debug, Default)]
pub struct Interner {
    actions: HashMap<Element<crate::policy::ActionPattern>, Arc<Actions>>,
    heads: HashMap<Box<str>, Arc<Head>>,
    spelling: String,
}

impl Document {
    /// Compiles a policy under the name by which reasons will call it.
    #[must_use]
    pub fn compile(name: impl Into<Arc<str>>, policy: &Policy) -> Self {
        Interner::default().document(name, policy)
    }

    /// A document of one statement about everything; such stand in for what an organization has
    /// built in, and for a limit that leads nowhere.
    pub(super) fn of_everything(name: &str, effect: Effect) -> Self {
        let place = Place {
            file: "built in".into(),
            line: 1,
            column: 1,
        };
        let statement = Statement {
            line: place.line,
            column: place.column,
            sid_end: 0,
            effect,
            principal: None,
            actions: Arc::new(Actions::of_everything()),
            resources: Resources::Own,
            conditions: Box::default(),
        };
        Self {
            name: name.into(),
            place,
            statements: Box::new([statement]),
            reads: Box::default(),
            clock: Clock::Unread,
            sids: "".into(),
        }
    }

    /// Position, `Sid` and place of each statement.
    pub fn outline(&self) -> impl Iterator<Item = (u32, Option<&str>, Place)> {
        (0..)
            .zip(self.statements.iter())
            .map(|(index, statement)| (index, self.sid(index), self.place_of(statement)))
    }

    /// About how much memory it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let of = |statement: &Statement| {
            let resources = match &statement.resources {
                Resources::Own => 0,
                Resources::One(test) => test.text_bytes(),
                Resources::Listed(element) => {
                    let entries = element.entries.iter();
                    let texts = entries.map(|entry| size_of_val(entry) + entry.text_bytes());
                    texts.sum::<usize>() + size_of_val(&**element)
                }
            };
            // Conditions have values of their own; most are one short text.
            size_of::<Statement>()
                + resources
                + statement.conditions.len() * (size_of::<Test>() + 48)
        };
        let statements = self.statements.iter().map(of);
        size_of::<Self>() + self.name.len() + self.sids.len() + statements.sum::<usize>()
    }

    /// How many statements it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.statements.len()
    }

    /// Whether it has no statement.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    pub(super) fn statement(&self, position: u32) -> Option<&Statement> {
        self.statements.get(usize::try_from(position).ok()?)
    }

    /// The `Sid` of a statement, if it has one.
    #[must_use]
    pub fn sid(&self, statement: u32) -> Option<&str> {
        let end = |at: usize| usize::try_from(self.statements.get(at)?.sid_end).ok();
        let at = usize::try_from(statement).ok()?;
        let start = at.checked_sub(1).map_or(Some(0), end)?;
        let sid = self.sids.get(start..end(at)?)?;
        (!sid.is_empty()).then_some(sid)
    }

    pub(super) fn place_of(&self, statement: &Statement) -> Place {
        Place {
            file: Arc::clone(&self.place.file),
            line: statement.line,
            column: statement.column,
        }
    }
}

impl Interner {
    /// Compiles a policy under the name by which reasons will call it.
    #[must_use]
    pub fn document(&mut self, name: impl Into<Arc<str>>, policy: &Policy) -> Document {
        let mut sids = String::new();
        let statements = policy.statements.iter().map(|statement| {
            sids.push_str(statement.sid.as_deref().unwrap_or_default());
            Statement {
                line: statement.place.line,
                column: statement.place.column,
                sid_end: u32::try_from(sids.len()).unwrap_or(u32::MAX),
                effect: statement.effect,
                principal: statement.principal.clone().map(Box::new),
                actions: self.actions(&statement.action),
                resources: self.resources(statement.resource.as_ref()),
                conditions: statement.conditions.iter().map(Test::compile).collect(),
            }
        });
        let statements: Box<[Statement]> = statements.collect();
        let (reads, variables) = reads(policy);
        let tests = statements
            .iter()
            .flat_map(|statement| &statement.conditions);
        Document {
            name: name.into(),
            place: policy.place.clone(),
            clock: clock(
                &reads,
                tests.map(|test| (&test.key, test.instants())),
                &variables,
            ),
            statements,
            reads,
            sids: sids.into(),
        }
    }

    fn actions(&mut self, element: &Element<crate::policy::ActionPattern>) -> Arc<Actions> {
        if let Some(known) = self.actions.get(element) {
            return Arc::clone(known);
        }
        let compiled = Arc::new(Actions::compile(element));
        self.actions.insert(element.clone(), Arc::clone(&compiled));
        compiled
    }

    fn resources(&mut self, element: Option<&Element<ResourcePattern>>) -> Resources {
        let Some(element) = element else {
            return Resources::Own;
        };
        match element.entries.as_slice() {
            [only] if !element.negated => Resources::One(self.resource(only)),
            entries => Resources::Listed(Box::new(Element {
                negated: element.negated,
                entries: entries.iter().map(|entry| self.resource(entry)).collect(),
            })),
        }
    }

    fn resource(&mut self, pattern: &ResourcePattern) -> ResourceTest {
        match pattern {
            ResourcePattern::All => ResourceTest::All,
            ResourcePattern::Arn {
                partition,
                service,
                region,
                account,
                resource,
            } => ResourceTest::Arn {
                head: self.head([partition, service, region, account]),
                name: Pattern::compile(resource),
            },
        }
    }

    fn head(&mut self, parts: [&Template; 4]) -> Arc<Head> {
        // Wildcards are spelt by characters that no bundle holds.
        self.spelling.clear();
        for (at, part) in parts.iter().enumerate() {
            if at > 0 {
                self.spelling.push(':');
            }
            for token in &part.tokens {
                match token {
                    Token::Literal(text) => self.spelling.push_str(text),
                    Token::Many => self.spelling.push('\u{0}'),
                    Token::One => self.spelling.push('\u{1}'),
                    // RES-8: variables stand in the last component alone; this one would match
                    // nothing.
                    Token::Variable { .. } => self.spelling.push('\u{2}'),
                }
            }
        }
        if let Some(known) = self.heads.get(self.spelling.as_str()) {
            return Arc::clone(known);
        }
        let is_plain = !self.spelling.contains(['\u{0}', '\u{1}', '\u{2}']);
        let head = Arc::new(
            if is_plain && parts.iter().all(|part| part.tokens.len() <= 1) {
                Head::Literal(self.spelling.as_str().into())
            } else {
                Head::Patterns(parts.map(Pattern::compile))
            },
        );
        self.heads
            .insert(self.spelling.as_str().into(), Arc::clone(&head));
        head
    }
}

impl Head {
    /// Whether an ARN has these components.
    pub(super) fn covers(&self, arn: &Arn) -> bool {
        match self {
            Self::Literal(text) => **text == *arn.head(),
            Self::Patterns([partition, service, region, account]) => {
                service.matches_plain(arn.service())
                    && partition.matches_plain(arn.partition())
                    && region.matches_plain(arn.region())
                    && account.matches_plain(arn.account_text())
            }
        }
    }
}

impl Statement {
    /// ACT-4: two-valued, for a request's action is always one concrete action.
    pub(super) fn action_matches(&self, action: &Action) -> bool {
        self.actions.cover(action)
    }

    /// RES-10 and RES-11.
    pub(super) fn resource_matches(&self, resource: &Resource, context: &Context) -> Truth {
        match &self.resources {
            Resources::Own => Truth::True,
            Resources::One(test) => test.matches(resource, context, false),
            Resources::Listed(element) => {
                let entries = element.entries.iter();
                Truth::any(entries.map(|entry| entry.matches(resource, context, element.negated)))
                    .negated_if(element.negated)
            }
        }
    }

    /// The conjunction of all tests (COND-1).
    pub(super) fn conditions_hold(&self, context: &Context) -> Truth {
        Truth::all(self.conditions.iter().map(|test| test.holds(context)))
    }
}

impl Resources {
    /// The entries, and whether it is the `Not` form; `None` where there is no element.
    pub(super) fn entries(&self) -> Option<(bool, &[ResourceTest])> {
        match self {
            Self::Own => None,
            Self::One(test) => Some((false, std::slice::from_ref(test))),
            Self::Listed(element) => Some((element.negated, &element.entries)),
        }
    }
}

impl ResourceTest {
    pub(super) fn compile(pattern: &ResourcePattern) -> Self {
        Interner::default().resource(pattern)
    }

    fn text_bytes(&self) -> usize {
        match self {
            Self::All => 0,
            Self::Arn { name, .. } => name.text_bytes(),
        }
    }

    /// Whether a pattern without variables covers an ARN.
    pub(super) fn covers(&self, arn: &Arn) -> bool {
        match self {
            Self::All => true,
            Self::Arn { head, name } => head.covers(arn) && name.matches_plain(arn.resource()),
        }
    }

    fn matches(&self, resource: &Resource, context: &Context, negated: bool) -> Truth {
        let Self::Arn { head, name } = self else {
            return Truth::True;
        };
        // RES-12: only a run of `*` matches the token of an action without resource.
        let Some(arn) = resource.name.arn() else {
            return Truth::False;
        };
        let head = head.covers(arn);
        // RES-9 and VAR-7: a variable without a value leaves the whole entry open, whatever the rest
        // of it says.
        if !head && !matches!(name, Pattern::Variable(_)) {
            return Truth::False;
        }
        match name.matches(arn.resource(), context) {
            Ok(matches) => (head && matches).into(),
            Err(Hole::Undetermined) => Truth::Undetermined,
            // RES-9: matches nothing in `Resource`, and cannot be excluded in `NotResource`.
            Err(Hole::Unresolved) if negated => Truth::Undetermined,
            Err(Hole::Unresolved) => Truth::False,
        }
    }
}
