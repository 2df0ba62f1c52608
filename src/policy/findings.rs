//! Collects diagnostics while one file is read.

use crate::policy::node::{Mark, SyntaxFault};
use crate::policy::{Diagnostic, Place, Severity};
use std::sync::Arc;

/// The diagnostics of one file, or of one document inside another.
#[derive(Clone, Debug)]
pub struct Findings {
    file: Arc<str>,
    // A document inside a string of another has the place of that string.
    inside: Option<Mark>,
    list: Vec<Diagnostic>,
}

impl Findings {
    /// No findings about `file`.
    #[must_use]
    pub fn new(file: impl Into<Arc<str>>) -> Self {
        Self {
            file: file.into(),
            inside: None,
            list: Vec::new(),
        }
    }

    /// No findings about a text that stands as a string at `mark` of the same file.
    #[must_use]
    pub fn inside(&self, mark: Mark) -> Self {
        Self {
            file: Arc::clone(&self.file),
            inside: Some(mark),
            list: Vec::new(),
        }
    }

    /// The place of `mark` in this file.
    #[must_use]
    pub fn place(&self, mark: Mark) -> Place {
        let Mark { line, column } = self.inside.unwrap_or(mark);
        Place {
            file: Arc::clone(&self.file),
            line,
            column,
        }
    }

    /// Adds a fault.
    pub fn error(&mut self, rule: &'static str, mark: Mark, message: impl Into<String>) {
        self.push(mark, Diagnostic::error(rule, self.place(mark), message));
    }

    /// Adds a fault with advice.
    pub fn error_with_hint(
        &mut self,
        rule: &'static str,
        mark: Mark,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.push(
            mark,
            Diagnostic::error(rule, self.place(mark), message).hint(hint),
        );
    }

    /// Adds a doubt.
    pub fn warning(&mut self, rule: &'static str, mark: Mark, message: impl Into<String>) {
        self.push(mark, Diagnostic::warning(rule, self.place(mark), message));
    }

    /// Adds a doubt with advice.
    pub fn warning_with_hint(
        &mut self,
        rule: &'static str,
        mark: Mark,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.push(
            mark,
            Diagnostic::warning(rule, self.place(mark), message).hint(hint),
        );
    }

    /// Adds a syntax fault.
    pub fn syntax(&mut self, fault: SyntaxFault) {
        self.error(fault.rule, fault.mark, fault.message);
    }

    /// Adds findings made elsewhere.
    pub fn extend(&mut self, diagnostics: impl IntoIterator<Item = Diagnostic>) {
        self.list.extend(diagnostics);
    }

    /// How many errors there are so far.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.list
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .count()
    }

    /// The findings in the order in which they were made.
    #[must_use]
    pub fn into_list(self) -> Vec<Diagnostic> {
        self.list
    }

    fn push(&mut self, mark: Mark, mut diagnostic: Diagnostic) {
        if self.inside.is_some() && mark != Mark::START {
            let Mark { line, column } = mark;
            diagnostic.message = format!(
                "{} (line {line}, column {column} of the document)",
                diagnostic.message
            );
        }
        self.list.push(diagnostic);
    }
}
