//! Why each statement did or did not match.

mod render;

use crate::engine::document::{Document, Statement};
use crate::engine::judge::{Applicable, Layers};
use crate::engine::principal::Caller;
use crate::engine::truth::Truth;
use crate::engine::view::{Level, View};
use crate::model::{Arn, Context, ContextValue, Layer, Request, StatementRef};
use crate::policy::{Effect, Place};
use std::sync::Arc;

/// What every statement of every layer said about a request.
#[derive(Clone, Debug, Default)]
pub struct Explanation {
    /// One report for each statement, in the order of the layers.
    pub statements: Vec<StatementReport>,
}

/// What one statement said.
#[derive(Clone, Debug)]
pub struct StatementReport {
    /// Which statement.
    pub reference: StatementRef,
    /// The name of its document.
    pub document: Arc<str>,
    /// The id of its organization node.
    pub level: Option<Arc<str>>,
    /// Where it is written.
    pub place: Place,
    /// Its `Sid`.
    pub sid: Option<String>,
    /// What it does when it matches.
    pub effect: Effect,
    /// Whether it matched as a whole.
    pub result: Truth,
    /// Its elements, in the order in which they are read.
    pub elements: Vec<ElementReport>,
    /// Its conditions.
    pub conditions: Vec<ConditionReport>,
}

/// Whether one element matched.
#[derive(Clone, Debug)]
pub struct ElementReport {
    /// `Principal`, `Action` or `Resource`, or their `Not` form.
    pub name: &'static str,
    /// Whether it matched.
    pub result: Truth,
}

/// Whether one condition held.
#[derive(Clone, Debug)]
pub struct ConditionReport {
    /// Operator and key as written.
    pub test: String,
    /// What the request carries for the key: values, `absent` or `unknown`.
    pub value: String,
    /// Whether it held.
    pub result: Truth,
}

/// Explains a request by those of the layers that bind the caller.
#[must_use]
pub fn explain(layers: &Layers<'_>, request: &Request<'_>) -> Explanation {
    let layers = Applicable::of(layers, request);
    let caller = Caller {
        principal: request.principal,
        bounded: layers.boundary.is_some(),
    };
    let mut explainer = Explainer {
        caller,
        request,
        statements: Vec::new(),
    };
    explainer.levels(Layer::Scp, layers.scp);
    explainer.levels(Layer::Rcp, layers.rcp);
    explainer.documents(Layer::Endpoint, layers.endpoint);
    let trust = request.resource.name.arn().is_some_and(Arn::is_role);
    let layer = if trust { Layer::Trust } else { Layer::Resource };
    explainer.documents(layer, layers.resource);
    explainer.documents(Layer::Identity, layers.identity);
    explainer.documents(Layer::Boundary, layers.boundary);
    explainer.documents(Layer::Session, layers.session);
    Explanation {
        statements: explainer.statements,
    }
}

struct Explainer<'r> {
    caller: Caller<'r>,
    request: &'r Request<'r>,
    statements: Vec<StatementReport>,
}

impl Explainer<'_> {
    fn levels(&mut self, layer: Layer, levels: Option<&[Level]>) {
        for (index, level) in levels.unwrap_or_default().iter().enumerate() {
            let index = u16::try_from(index).unwrap_or(u16::MAX);
            for (position, document) in level.view.documents().iter().enumerate() {
                self.document(layer, Some((index, &level.id)), position, document);
            }
        }
    }

    fn documents(&mut self, layer: Layer, view: Option<&View>) {
        let documents = view.map(View::documents).unwrap_or_default();
        for (position, document) in documents.iter().enumerate() {
            self.document(layer, None, position, document);
        }
    }

    fn document(
        &mut self,
        layer: Layer,
        level: Option<(u16, &Arc<str>)>,
        position: usize,
        document: &Document,
    ) {
        for (index, statement) in document.statements.iter().enumerate() {
            let reference = StatementRef {
                layer,
                level: level.map(|(index, _)| index),
                document: u32::try_from(position).unwrap_or(u32::MAX),
                statement: u32::try_from(index).unwrap_or(u32::MAX),
            };
            let (elements, conditions) = self.parts(statement);
            let all = elements
                .iter()
                .map(|element| element.result)
                .chain(conditions.iter().map(|condition| condition.result));
            self.statements.push(StatementReport {
                reference,
                document: Arc::clone(&document.name),
                level: level.map(|(_, id)| Arc::clone(id)),
                place: document.place_of(statement),
                sid: document.sid(reference.statement).map(str::to_owned),
                effect: statement.effect,
                result: Truth::all(all),
                elements,
                conditions,
            });
        }
    }

    fn parts(&self, statement: &Statement) -> (Vec<ElementReport>, Vec<ConditionReport>) {
        let name = |negated: bool, plain, not| if negated { not } else { plain };
        let mut elements = Vec::with_capacity(3);
        if let Some(principal) = statement.principal.as_deref() {
            elements.push(ElementReport {
                name: name(principal.negated, "Principal", "NotPrincipal"),
                result: self
                    .caller
                    .matched_by(statement.effect, Some(principal))
                    .is_some()
                    .into(),
            });
        }
        elements.push(ElementReport {
            name: name(statement.actions.negated, "Action", "NotAction"),
            result: statement.action_matches(self.request.action).into(),
        });
        if let Some((negated, _)) = statement.resources.entries() {
            elements.push(ElementReport {
                name: name(negated, "Resource", "NotResource"),
                result: statement.resource_matches(self.request.resource, self.request.context),
            });
        }
        let conditions = statement
            .conditions
            .iter()
            .map(|test| ConditionReport {
                test: test.label.to_string(),
                value: shown(self.request.context, test.key.as_str()),
                result: test.holds(self.request.context),
            })
            .collect();
        (elements, conditions)
    }
}

fn shown(context: &Context, key: &str) -> String {
    match context.lookup(key) {
        None => "absent".to_owned(),
        Some(ContextValue::Unknown) => "unknown".to_owned(),
        Some(ContextValue::Values(values)) => match values.as_slice() {
            [value] => format!("\"{value}\""),
            values => format!("{values:?}"),
        },
    }
}
