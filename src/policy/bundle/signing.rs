//! `signing` of an `IamService`.

use crate::policy::fields::Fields;
use crate::policy::findings::Findings;
use crate::policy::{PayloadMode, Signing};

/// Bounds of `maxSkew`, in seconds (SIG-33).
const SKEW_S: std::ops::RangeInclusive<u32> = 60..=900;

/// What is said of signatures, on top of what holds where nothing is said.
pub(super) fn read(
    fields: &mut Fields<'_>,
    is_s3: bool,
    prefix: &str,
    region: Option<&str>,
    findings: &mut Findings,
) -> Signing {
    // A client of S3 states the hash of a body that is too long to be buffered.
    let payloads: &[PayloadMode] = if is_s3 {
        &[PayloadMode::Verified, PayloadMode::Signed]
    } else {
        &[PayloadMode::Verified]
    };
    let mut signing = Signing::of(prefix, region, payloads);
    let Some(node) = fields.take("signing") else {
        return signing;
    };
    let Some(mut fields) = Fields::of(node, "`signing`", findings) else {
        return signing;
    };
    if let Some((service, mark)) = fields.text("service", findings) {
        if !is_word(service) {
            findings.error("SIG-31", mark, "`service` is one word, as in the scope");
        }
        service.clone_into(&mut signing.service);
    }
    let regions = fields.texts("regions", findings);
    if !regions.is_empty() {
        for (region, mark) in &regions {
            if !is_word(region) {
                let message = format!("`{region}` is not a region");
                findings.error("SIG-32", *mark, message);
            }
        }
        signing.regions = regions.iter().map(|(text, _)| (*text).to_owned()).collect();
    }
    if let Some((seconds, mark)) = fields.duration_s("maxSkew", findings) {
        if !SKEW_S.contains(&seconds) {
            findings.error("SIG-33", mark, "`maxSkew` is from 1m to 15m");
        }
        signing.max_skew_s = seconds;
    }
    if let Some((seconds, mark)) = fields.duration_s("maxPresign", findings) {
        if seconds > Signing::DEFAULT_PRESIGN_S {
            findings.error("SIG-34", mark, "`maxPresign` is 7d at the most");
        }
        signing.max_presign_s = seconds;
    }
    let payloads = fields.texts("payloads", findings);
    if !payloads.is_empty() {
        signing.payloads.clear();
    }
    for (text, mark) in payloads {
        let Some(mode) = PayloadMode::parse(text) else {
            let names: Vec<&str> = PayloadMode::ALL.iter().map(|(_, name)| *name).collect();
            let message = format!("`{text}` is not something that a signature says of a body");
            let hint = format!("known are {}", names.join(", "));
            findings.error_with_hint("SIG-44", mark, message, hint);
            continue;
        };
        signing.payloads.push(mode);
    }
    for (text, mark) in fields.texts("unsignedHeaders", findings) {
        let folded = text.to_ascii_lowercase();
        if !folded.starts_with("x-amz-") || folded == "x-amz-security-token" {
            let message = format!("`{text}` is not a header that may be excused");
            let hint = "headers that begin with `x-amz-`; for the token there is `unsignedToken`";
            findings.error_with_hint("SIG-42", mark, message, hint);
        }
        signing.unsigned_headers.push(folded);
    }
    signing.unsigned_token = fields.flag("unsignedToken", findings);
    signing.bearer_sessions = fields.flag("bearerSessions", findings);
    fields.finish(findings);
    signing
}

fn is_word(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !text.is_empty() && text.len() <= 64 && text.bytes().all(fits)
}
