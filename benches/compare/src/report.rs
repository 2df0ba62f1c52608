//! Tables, for people and for programs.

use serde_json::{Map, Value};

/// Rows of texts under headings.
#[derive(Debug)]
pub(crate) struct Table {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(headings: &[&str]) -> Self {
        Self {
            headings: headings
                .iter()
                .map(|heading| (*heading).to_owned())
                .collect(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, cells: &[String]) {
        self.rows.push(cells.to_vec());
    }

    /// Prints Markdown, or a JSON object for each row.
    pub(crate) fn print(&self, json: bool) {
        if json {
            for row in &self.rows {
                let members = self
                    .headings
                    .iter()
                    .cloned()
                    .zip(row.iter().cloned().map(Value::from));
                println!("{}", Value::Object(members.collect::<Map<_, _>>()));
            }
            return;
        }
        println!("| {} |", self.headings.join(" | "));
        println!("|{}", "---|".repeat(self.headings.len()));
        for row in &self.rows {
            println!("| {} |", row.join(" | "));
        }
    }
}

/// The median of some values; zero of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}
