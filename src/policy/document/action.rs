//! `Action` and `NotAction` (ACT-1 to ACT-6).

use crate::policy::findings::Findings;
use crate::policy::node::Mark;

/// One entry of an action element.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ActionPattern {
    /// `*`: every action.
    All,
    /// `prefix:name`, both folded to lower case (ACT-3).
    Named {
        /// The service prefix; no wildcards.
        prefix: String,
        /// The name, with `*` and `?` as wildcards.
        name: String,
    },
}

impl ActionPattern {
    /// Reads one entry; what is wrong goes to `findings`.
    pub(in crate::policy) fn parse(
        text: &str,
        mark: Mark,
        findings: &mut Findings,
    ) -> Option<Self> {
        if text == "*" {
            return Some(Self::All);
        }
        if text == "*:*" {
            findings.warning_with_hint("ACT-2", mark, "`*:*` means every action", "write `*`");
            return Some(Self::All);
        }
        let refuse = |findings: &mut Findings, rule, message: String, hint: &str| {
            findings.error_with_hint(rule, mark, message, hint);
            None
        };
        let Some((prefix, name)) = text.split_once(':') else {
            let message = format!("`{text}` is not an action");
            return refuse(
                findings,
                "ACT-1",
                message,
                "write `prefix:Name`, or `*` for all",
            );
        };
        if prefix.contains(['*', '?']) {
            let message = format!("the service prefix of `{text}` may not hold wildcards");
            return refuse(
                findings,
                "ACT-2",
                message,
                "list the services, each with its prefix",
            );
        }
        let prefix_fits = !prefix.is_empty()
            && prefix
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let name_fits = !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'*' | b'?' | b'-'));
        if !prefix_fits || !name_fits {
            let message = format!("`{text}` is not an action");
            let hint = "one colon, then letters, digits, `_`, `-` and the wildcards `*` and `?`; no spaces";
            return refuse(findings, "ACT-1", message, hint);
        }
        if text.len() > Self::LIMIT {
            let message = format!("an action has at most {} characters", Self::LIMIT);
            findings.error("LIM-5", mark, message);
            return None;
        }
        Some(Self::Named {
            prefix: prefix.to_ascii_lowercase(),
            name: name.to_ascii_lowercase(),
        })
    }

    /// The longest entry, in characters (LIM-5).
    const LIMIT: usize = 2_048;

    /// Whether the entry covers the action with this folded prefix and name.
    #[must_use]
    pub fn covers(&self, prefix: &str, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named {
                prefix: own,
                name: pattern,
            } => own == prefix && glob(pattern.as_bytes(), name.as_bytes()),
        }
    }
}

/// GLOB-2: greedy, with a return to the last `*`.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut last: Option<(usize, usize)> = None;
    while read < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                last = Some((at, read));
                at += 1;
            }
            Some(byte) if *byte == b'?' || text.get(read) == Some(byte) => {
                at += 1;
                read += 1;
            }
            _ => match last {
                None => return false,
                Some((star, from)) => {
                    at = star + 1;
                    read = from + 1;
                    last = Some((star, read));
                }
            },
        }
    }
    pattern.iter().skip(at).all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_covers_whole_names() {
        let cases = [
            ("assumerole", "assumerole", true),
            ("assumerole*", "assumerolewithsaml", true),
            ("assumerolewithsam?", "assumerolewithsaml", true),
            ("*saml", "assumerolewithsaml", true),
            ("*rol*saml", "assumerolewithsaml", true),
            ("assume", "assumerole", false),
            ("*x*", "assumerole", false),
            ("assumerole?", "assumerole", false),
        ];
        for (pattern, name, expected) in cases {
            let entry = ActionPattern::Named {
                prefix: "sts".into(),
                name: pattern.into(),
            };
            assert_eq!(entry.covers("sts", name), expected, "{pattern}");
            assert!(!entry.covers("iam", name), "{pattern}");
        }
    }
}
