//! `Action` and `NotAction` (ACT-1 to ACT-6).

use crate::policy::findings::Findings;
use crate::policy::node::Mark;

/// One entry of an action element.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    pub(super) fn parse(text: &str, mark: Mark, findings: &mut Findings) -> Option<Self> {
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
        Some(Self::Named {
            prefix: prefix.to_ascii_lowercase(),
            name: name.to_ascii_lowercase(),
        })
    }
}
