//! Peers: which role the client certificate of a connection stands for.

use crate::authn::session_name;
use crate::authn::spiffe::{self, PeerError, SpiffeId};
use crate::model::AccountId;
use crate::policy::{Diagnostic, PeerMapping, PeerMatch};
use std::collections::BTreeMap;

/// The mappings of a bundle, ready to be asked (MTL-01, MTL-02).
#[derive(Clone, Debug, Default)]
pub struct PeerTable {
    /// Templates of SPIFFE ids by trust domain, which is never wild. An exact id is one whose
    /// segments are all literal.
    templates: BTreeMap<String, Vec<Template>>,
    /// DNS names and subjects. A subject has an equals sign and a DNS name cannot, so neither is
    /// ever taken for the other.
    names: BTreeMap<String, Grant>,
}

/// The role session that a peer is (MTL-02).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerIdentity {
    /// The account of the session.
    pub account: AccountId,
    /// The role, as the mapping writes it.
    pub role: String,
    /// The name of the session: the service account of a SPIFFE id, else the last segment of its
    /// path; of a DNS name or subject the whole. Made fit for an ARN.
    pub session_name: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Grant {
    account: AccountId,
    role: String,
}

#[derive(Clone, Debug)]
struct Template {
    segments: Vec<Segment>,
    grant: Grant,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Any,
}

impl PeerTable {
    /// Makes the mappings of a bundle ready. Where several match one id, the one that is literal
    /// where the others are wild holds, in whatever order they are written.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with any of them: a malformed SPIFFE id or template, DNS name or
    /// subject (MTL-01), a wildcard in a trust domain (MTL-02), an empty role, and two mappings
    /// that match the same certificates with neither the narrower (MTL-02).
    pub fn compile(mappings: &[PeerMapping]) -> Result<Self, Vec<Diagnostic>> {
        let mut table = Self::default();
        let mut faults = Vec::new();
        for mapping in mappings {
            if let Err((rule, message)) = table.add(mapping) {
                faults.push(Diagnostic::error(rule, mapping.place.clone(), message));
            }
        }
        if faults.is_empty() {
            Ok(table)
        } else {
            Err(faults)
        }
    }

    /// Whether there is no mapping, so that every peer is anonymous.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.templates.is_empty() && self.names.is_empty()
    }

    /// Whom the peer `principal` stands for; it is the identity that the PEP took from a verified
    /// client certificate, or empty without one.
    ///
    /// `None` when there is no certificate (MTL-03), and also when no mapping matches: only a
    /// mapped certificate counts (MTL-01). That is no fall-back of the kind that SIG-03 forbids. A
    /// certificate belongs to the connection, which a mesh gives to every workload; it was not
    /// presented to be somebody here, and its value stays visible as `sidegate:PeerPrincipal`.
    ///
    /// # Errors
    ///
    /// [`PeerError`] when `principal` means to be a SPIFFE id and is malformed: no certificate
    /// authority issues such an id, so nothing about the connection is to be believed.
    pub fn resolve(&self, principal: &str) -> Result<Option<PeerIdentity>, PeerError> {
        if spiffe::is_meant(principal) {
            let id = SpiffeId::parse(principal)?;
            let grant = self.narrowest(&id);
            return Ok(grant.and_then(|grant| grant.identity(session(&id))));
        }
        let grant = self.names.get(principal);
        Ok(grant.and_then(|grant| grant.identity(principal)))
    }

    /// INVARIANT: of the templates that match one id each two are ordered by narrowness, and the
    /// narrower has more literals, so the most literals are the narrowest and there is no tie.
    fn narrowest(&self, id: &SpiffeId<'_>) -> Option<&Grant> {
        self.templates
            .get(id.trust_domain)?
            .iter()
            .filter(|template| template.matches(&id.segments))
            .max_by_key(|template| template.literals())
            .map(|template| &template.grant)
    }

    fn add(&mut self, mapping: &PeerMapping) -> Result<(), (&'static str, String)> {
        let PeerMapping {
            place: _,
            matcher,
            role,
            account,
        } = mapping;
        if role.is_empty() {
            return Err(("MTL-02", "the name of a role is empty".to_owned()));
        }
        let grant = Grant {
            account: *account,
            role: role.clone(),
        };
        match matcher {
            PeerMatch::Spiffe(text) => self.add_template(text, grant),
            PeerMatch::Dns(name) if !is_dns_name(name) => {
                let name = name.escape_debug();
                let message = format!("`{name}` is no DNS name in lower case without wildcard");
                Err(("MTL-01", message))
            }
            PeerMatch::Subject(subject) if !is_subject(subject) => {
                let subject = subject.escape_debug();
                Err((
                    "MTL-01",
                    format!("`{subject}` is no subject such as `O=Acme,CN=cart`"),
                ))
            }
            PeerMatch::Dns(name) | PeerMatch::Subject(name) => {
                match self.names.insert(name.clone(), grant) {
                    None => Ok(()),
                    Some(_) => Err(("MTL-02", format!("`{name}` is mapped twice"))),
                }
            }
        }
    }

    fn add_template(&mut self, text: &str, grant: Grant) -> Result<(), (&'static str, String)> {
        let shown = text.escape_debug();
        let (trust_domain, segments) = spiffe::split(text)
            .map_err(|fault| (fault.rule(), format!("`{shown}` is no SPIFFE id: {fault}")))?;
        let segments: Option<Vec<Segment>> = segments.into_iter().map(Segment::parse).collect();
        let segments = segments
            .filter(|segments| !segments.is_empty())
            .ok_or_else(|| {
                let message = format!(
                    "`{shown}` needs a path of literal segments, `*` or `{{name}}`, each whole"
                );
                ("MTL-01", message)
            })?;
        let template = Template { segments, grant };
        let others = self.templates.entry(trust_domain.to_owned()).or_default();
        if others.iter().any(|other| other.rivals(&template)) {
            let message =
                format!("`{shown}` matches what another mapping matches, and neither is narrower");
            return Err(("MTL-02", message));
        }
        others.push(template);
        Ok(())
    }
}

impl Grant {
    fn identity(&self, name: &str) -> Option<PeerIdentity> {
        Some(PeerIdentity {
            account: self.account,
            role: self.role.clone(),
            session_name: session_name::clean(name)?,
        })
    }
}

impl Segment {
    fn parse(text: &str) -> Option<Self> {
        let placeholder = text
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
            .is_some_and(|name| {
                name.starts_with(|first: char| first.is_ascii_alphabetic())
                    && name
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            });
        if text == "*" || placeholder {
            Some(Self::Any)
        } else {
            spiffe::is_segment(text).then(|| Self::Literal(text.to_owned()))
        }
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Literal(literal) => literal == text,
            Self::Any => true,
        }
    }
}

impl Template {
    fn matches(&self, segments: &[&str]) -> bool {
        self.segments.len() == segments.len()
            && self
                .segments
                .iter()
                .zip(segments)
                .all(|(segment, text)| segment.matches(text))
    }

    fn literals(&self) -> usize {
        let literal = |segment: &&Segment| **segment != Segment::Any;
        self.segments.iter().filter(literal).count()
    }

    /// Whether some id matches both, and neither template is the narrower.
    fn rivals(&self, other: &Self) -> bool {
        if self.segments.len() != other.segments.len() {
            return false;
        }
        let mut narrower = false;
        let mut wider = false;
        for pair in self.segments.iter().zip(&other.segments) {
            match pair {
                (Segment::Literal(one), Segment::Literal(two)) if one != two => return false,
                (Segment::Literal(_), Segment::Any) => narrower = true,
                (Segment::Any, Segment::Literal(_)) => wider = true,
                (Segment::Literal(_), Segment::Literal(_)) | (Segment::Any, Segment::Any) => {}
            }
        }
        narrower == wider
    }
}

/// What names the session of a SPIFFE id: the segment behind the last `sa`, else the last one.
fn session<'a>(id: &SpiffeId<'a>) -> &'a str {
    let behind_sa = id.segments.windows(2).rev().find_map(|pair| match pair {
        ["sa", name] => Some(*name),
        _ => None,
    });
    behind_sa
        .or_else(|| id.segments.last().copied())
        .unwrap_or_default()
}

/// Whether `text` is a DNS name as a mapping may write it.
fn is_dns_name(text: &str) -> bool {
    let allowed = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
    };
    let label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(allowed);
    text.len() <= 253 && text.split('.').all(label)
}

/// Whether `text` is a subject as a PEP prints it: attributes, each a type and a value. Other URIs
/// have their scheme's colon before any equals sign, and so are none.
fn is_subject(text: &str) -> bool {
    let attribute = text.split_once('=').is_some_and(|(kind, value)| {
        !kind.is_empty()
            && !value.is_empty()
            && kind
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
    });
    attribute && text.len() <= 2048 && !text.contains(char::is_control)
}

#[cfg(test)]
mod tests;
