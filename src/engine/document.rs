//! Compiled policy documents.

use crate::engine::condition::Test;
use crate::engine::pattern::{Hole, Pattern};
use crate::engine::truth::Truth;
use crate::model::{Action, Arn, Context, Resource};
use crate::policy::{
    ActionPattern, Effect, Element, Place, Policy, PrincipalEntry, ResourcePattern,
};
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
}

/// One node of an organization's tree with the control policies attached to it.
#[derive(Clone, Debug)]
pub struct Level {
    /// The id of the root, unit or account.
    pub id: Arc<str>,
    /// The documents attached there.
    pub documents: Vec<Arc<Document>>,
}

#[derive(Debug)]
pub(super) struct Statement {
    pub(super) place: Place,
    pub(super) sid: Option<Box<str>>,
    pub(super) effect: Effect,
    pub(super) principal: Option<Element<PrincipalEntry>>,
    pub(super) actions: Element<ActionTest>,
    pub(super) resources: Option<Element<ResourceTest>>,
    pub(super) conditions: Box<[Test]>,
}

#[derive(Debug)]
pub(super) enum ActionTest {
    All,
    Named { prefix: Box<str>, name: Pattern },
}

#[derive(Debug)]
pub(super) enum ResourceTest {
    All,
    Arn(Box<[Pattern; 5]>),
}

impl Document {
    /// Compiles a policy under the name by which reasons will call it.
    #[must_use]
    pub fn compile(name: impl Into<Arc<str>>, policy: &Policy) -> Self {
        Self {
            name: name.into(),
            place: policy.place.clone(),
            statements: policy.statements.iter().map(Statement::compile).collect(),
        }
    }

    /// A document of one statement about everything; such stand in for what an organization has
    /// built in, and for a limit that leads nowhere.
    pub(super) fn of_everything(name: &str, effect: Effect) -> Self {
        let place = Place {
            file: "built in".into(),
            line: 1,
            column: 1,
        };
        let everything = Element {
            negated: false,
            entries: vec![ActionTest::All],
        };
        let statement = Statement {
            place: place.clone(),
            sid: None,
            effect,
            principal: None,
            actions: everything,
            resources: None,
            conditions: Box::default(),
        };
        Self {
            name: name.into(),
            place,
            statements: Box::new([statement]),
        }
    }

    /// Position, `Sid` and place of each statement.
    pub fn outline(&self) -> impl Iterator<Item = (u32, Option<&str>, &Place)> {
        let statements = (0..).zip(self.statements.iter());
        statements.map(|(index, statement)| (index, statement.sid.as_deref(), &statement.place))
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

    /// The `Sid` of a statement, if it has one.
    #[must_use]
    pub fn sid(&self, statement: u32) -> Option<&str> {
        self.statements
            .get(usize::try_from(statement).ok()?)?
            .sid
            .as_deref()
    }
}

impl Statement {
    fn compile(statement: &crate::policy::Statement) -> Self {
        Self {
            place: statement.place.clone(),
            sid: statement.sid.as_deref().map(Into::into),
            effect: statement.effect,
            principal: statement.principal.clone(),
            actions: Element {
                negated: statement.action.negated,
                entries: statement
                    .action
                    .entries
                    .iter()
                    .map(ActionTest::compile)
                    .collect(),
            },
            resources: statement.resource.as_ref().map(|element| Element {
                negated: element.negated,
                entries: element.entries.iter().map(ResourceTest::compile).collect(),
            }),
            conditions: statement.conditions.iter().map(Test::compile).collect(),
        }
    }

    /// ACT-4: two-valued, for a request's action is always one concrete action.
    pub(super) fn action_matches(&self, action: &Action) -> bool {
        self.actions
            .entries
            .iter()
            .any(|entry| entry.matches(action))
            != self.actions.negated
    }

    /// RES-10 and RES-11.
    pub(super) fn resource_matches(&self, resource: &Resource, context: &Context) -> Truth {
        let Some(element) = &self.resources else {
            return Truth::True;
        };
        let listed = Truth::any(
            element
                .entries
                .iter()
                .map(|entry| entry.matches(resource, context, element.negated)),
        );
        listed.negated_if(element.negated)
    }

    /// The conjunction of all tests (COND-1).
    pub(super) fn conditions_hold(&self, context: &Context) -> Truth {
        Truth::all(self.conditions.iter().map(|test| test.holds(context)))
    }
}

impl ActionTest {
    fn compile(pattern: &ActionPattern) -> Self {
        match pattern {
            ActionPattern::All => Self::All,
            ActionPattern::Named { prefix, name } => Self::Named {
                prefix: prefix.as_str().into(),
                name: Pattern::compile_glob(name),
            },
        }
    }

    fn matches(&self, action: &Action) -> bool {
        match self {
            Self::All => true,
            Self::Named { prefix, name } => {
                **prefix == *action.prefix() && name.matches_plain(action.name())
            }
        }
    }
}

impl ResourceTest {
    pub(super) fn compile(pattern: &ResourcePattern) -> Self {
        match pattern {
            ResourcePattern::All => Self::All,
            ResourcePattern::Arn {
                partition,
                service,
                region,
                account,
                resource,
            } => {
                let parts = [partition, service, region, account, resource];
                Self::Arn(Box::new(parts.map(Pattern::compile)))
            }
        }
    }

    /// Whether a pattern without variables covers an ARN.
    pub(super) fn covers(&self, arn: &Arn) -> bool {
        match self {
            Self::All => true,
            Self::Arn(patterns) => {
                let parts = [
                    arn.partition(),
                    arn.service(),
                    arn.region(),
                    arn.account_text(),
                    arn.resource(),
                ];
                let mut pairs = patterns.iter().zip(parts);
                pairs.all(|(pattern, part)| pattern.matches_plain(part))
            }
        }
    }

    fn matches(&self, resource: &Resource, context: &Context, negated: bool) -> Truth {
        let Self::Arn(patterns) = self else {
            return Truth::True;
        };
        // RES-12: only a run of `*` matches the token of an action without resource.
        let Some(arn) = resource.name.arn() else {
            return Truth::False;
        };
        let [partition, service, region, account, name] = &**patterns;
        let head = partition.matches_plain(arn.partition())
            && service.matches_plain(arn.service())
            && region.matches_plain(arn.region())
            && account.matches_plain(arn.account_text());
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
