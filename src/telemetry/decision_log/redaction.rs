//! What the decision log leaves out.

use crate::telemetry::decision_log::Record;

/// The members and condition keys that are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redaction(Vec<Pattern>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Is(String),
    Begins(String),
    Ends(String),
}

impl Pattern {
    /// Whether a name in lower case is meant.
    fn covers(&self, name: &str) -> bool {
        match self {
            Self::Is(text) => name == text,
            Self::Begins(text) => name.starts_with(text.as_str()),
            Self::Ends(text) => name.ends_with(text.as_str()),
        }
    }
}

/// The members that can be left out.
pub const MEMBERS: [&str; 8] = [
    "accessKey",
    "host",
    "path",
    "resources",
    "session",
    "sourceIdentity",
    "sourceIp",
    "userAgent",
];

impl Redaction {
    /// Reads a list with commas: members of a record, and condition keys, which have a colon and may
    /// have one `*` at either end. `None` when something is neither.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let patterns = parts.map(|part| {
            let folded = part.to_ascii_lowercase();
            if MEMBERS.contains(&part) {
                return Some(Pattern::Is(folded));
            }
            if !folded.contains(':') {
                return None;
            }
            match (folded.strip_prefix('*'), folded.strip_suffix('*')) {
                (Some(end), None) if !end.contains('*') => Some(Pattern::Ends(end.to_owned())),
                (None, Some(start)) if !start.contains('*') => {
                    Some(Pattern::Begins(start.to_owned()))
                }
                (None, None) if !folded.contains('*') => Some(Pattern::Is(folded)),
                _ => None,
            }
        });
        patterns.collect::<Option<Vec<_>>>().map(Self)
    }

    fn covers(&self, name: &str) -> bool {
        let folded = name.to_ascii_lowercase();
        self.0.iter().any(|pattern| pattern.covers(&folded))
    }

    /// Takes out of a record what must not be written, and names it. What a member said is taken out of the
    /// condition keys that say it as well.
    pub fn apply(&self, record: &mut Record) {
        let mut gone: Vec<String> = Vec::new();
        for (name, member) in [
            ("accessKey", &mut record.access_key),
            ("host", &mut record.host),
            ("path", &mut record.path),
            ("session", &mut record.session),
            ("sourceIdentity", &mut record.source_identity),
            ("sourceIp", &mut record.source_ip),
            ("userAgent", &mut record.user_agent),
        ] {
            if self.covers(name)
                && let Some(text) = member.take()
            {
                record.redacted.push(name.to_owned());
                gone.push(text);
            }
        }
        if self.covers("resources") && !record.resources.is_empty() {
            record.redacted.push("resources".to_owned());
            gone.append(&mut record.resources);
            // The sentence names the resource.
            record.message = None;
        }
        // The principal and the sentence name the session too.
        if record.redacted.iter().any(|name| name == "session")
            && let Some(principal) = &mut record.principal
            && let Some((role, _)) = principal.rsplit_once('/')
        {
            let whole = std::mem::take(&mut record.message).unwrap_or_default();
            let told = whole.replace(principal.as_str(), &format!("{role}/*"));
            record.message = (!told.is_empty()).then_some(told);
            *principal = format!("{role}/*");
        }
        gone.retain(|text| !text.is_empty());
        let says = |values: &[String]| {
            let says = |value: &String| gone.iter().any(|text| value.contains(text.as_str()));
            values.iter().any(says)
        };
        let keys = record.context.iter();
        let keys: Vec<String> = keys
            .filter(|(key, values)| self.covers(key) || says(values))
            .map(|(key, _)| key.clone())
            .collect();
        for key in keys {
            record.context.remove(&key);
            record.redacted.push(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn record() -> Record {
        let values = |text: &str| vec![text.to_owned()];
        Record {
            principal: Some("arn:aws:sts::1:assumed-role/reader/ana@example.com".to_owned()),
            session: Some("ana@example.com".to_owned()),
            message: Some(
                "User: arn:aws:sts::1:assumed-role/reader/ana@example.com is not authorized"
                    .to_owned(),
            ),
            source_ip: Some("192.0.2.7".to_owned()),
            path: Some("/v1/orders/7".to_owned()),
            context: BTreeMap::from([
                ("aws:SourceIp".to_owned(), values("192.0.2.7")),
                (
                    "login.example.com:email".to_owned(),
                    values("ana@example.com"),
                ),
                ("aws:PrincipalTag/team".to_owned(), values("red")),
                ("orders:Priority".to_owned(), values("high")),
            ]),
            ..Record::default()
        }
    }

    #[test]
    fn what_is_redacted_is_named_and_nowhere_else() {
        // (setting, what is named, what must not be in the line)
        let cases: [(&str, &[&str], &[&str]); 4] = [
            ("", &[], &[]),
            ("sourceIp", &["sourceIp", "aws:SourceIp"], &["192.0.2.7"]),
            (
                "session",
                &["session", "login.example.com:email"],
                &["ana@example.com"],
            ),
            (
                "path,AWS:PRINCIPALTAG/*",
                &["path", "aws:PrincipalTag/team"],
                &["orders/7", "red\""],
            ),
        ];
        for (setting, named, gone) in cases {
            let mut record = record();
            Redaction::parse(setting).unwrap().apply(&mut record);
            assert_eq!(record.redacted, named, "{setting}");
            let line = serde_json::to_string(&record).unwrap();
            for text in gone {
                assert!(!line.contains(text), "{setting}: {line}");
            }
        }
    }

    #[test]
    fn a_setting_that_means_nothing_is_refused() {
        for text in [
            "sourceip",
            "paths",
            "aws:*Ip*",
            "*:a*",
            "a:b*c",
            "principal",
        ] {
            assert_eq!(Redaction::parse(text), None, "{text}");
        }
    }
}
