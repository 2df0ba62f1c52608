//! What a session token says (TOK-02, TOK-13).

use crate::authn::token::envelope::TokenId;
use crate::authn::token::packed::{self, Packed};
use crate::model::{AccountId, Timestamp};
use ciborium::Value;

/// The most ancestors of a session (TOK-02): a chain that is deeper is refused.
pub const MAX_CHAIN: usize = 8;
/// From here on, a member that is unknown is left aside; one below is refused (TOK-13).
const CRITICAL: u64 = 64;
/// The member that makes a token longer.
const PADDING: u64 = 64;

/// Whose session it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionKind {
    /// A user's own.
    User,
    /// One of a role.
    Role,
    /// One that a user obtained for somebody outside.
    Federated,
}

impl SessionKind {
    const ALL: [(Self, u64); 3] = [(Self::User, 1), (Self::Role, 2), (Self::Federated, 3)];
}

/// Credentials that a session was obtained with, directly or not: whoever ends them ends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The id of their token; long-term keys have none.
    pub token: Option<TokenId>,
    /// Their access key.
    pub access_key: String,
    /// The ARN of the user or role, or of the federated user.
    pub principal: String,
    /// The ARN of the session.
    pub session: Option<String>,
    /// When they were issued; long-term keys never were.
    pub issued_at: Option<Timestamp>,
}

/// Everything that is known of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Whose session it is.
    pub kind: SessionKind,
    /// The account.
    pub account: AccountId,
    /// The ARN of the user or role, or of the federated user.
    pub principal: String,
    /// The unique id of the user or role, where the bundle gave one: whoever is made anew under an
    /// old name is somebody else.
    pub unique_id: Option<String>,
    /// The name of a session of a role.
    pub session_name: Option<String>,
    /// When it was issued, to the second.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The trust domain within which it counts.
    pub trust_domain: String,
    /// Session policies and tags.
    pub packed: Packed,
    /// The source identity.
    pub source_identity: Option<String>,
    /// When a second factor was shown.
    pub mfa_at: Option<Timestamp>,
    /// The credentials that it was obtained with, and those that those were, the first one first.
    pub lineage: Vec<Link>,
    /// The ARN of the identity provider behind it.
    pub provider: Option<String>,
    /// Claims of the provider's token that it carries as condition keys (CLM-03).
    pub carried: Vec<(String, Vec<String>)>,
    /// Whether it may be used without a signature (BRR-01).
    pub bearer: bool,
    /// The services that it may be used with; all where there are none.
    pub audience: Vec<String>,
}

impl Claims {
    /// A session with nothing but what every one has.
    #[must_use]
    pub fn new(
        kind: SessionKind,
        account: AccountId,
        principal: &str,
        (issued_at, expires_at): (Timestamp, Timestamp),
    ) -> Self {
        Self {
            kind,
            account,
            principal: principal.to_owned(),
            unique_id: None,
            session_name: None,
            issued_at,
            expires_at,
            trust_domain: String::new(),
            packed: Packed::default(),
            source_identity: None,
            mfa_at: None,
            lineage: Vec::new(),
            provider: None,
            carried: Vec::new(),
            bearer: false,
            audience: Vec::new(),
        }
    }

    /// How many sessions it was obtained through.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.lineage
            .iter()
            .filter(|link| link.token.is_some())
            .count()
    }

    /// The access key that it was obtained with.
    #[must_use]
    pub fn parent_key(&self) -> Option<&str> {
        self.lineage.last().map(|link| link.access_key.as_str())
    }

    /// The ARN of whoever obtained it.
    #[must_use]
    pub fn parent(&self) -> Option<&str> {
        self.lineage.last().map(|link| link.principal.as_str())
    }

    /// The deterministic encoding (RFC 8949 section 4.2), with so many bytes of padding.
    pub(super) fn encode(&self, padding: usize) -> Vec<u8> {
        let number = |value: u64| Value::Integer(value.into());
        let seconds = |at: Timestamp| Value::Integer(at.seconds().into());
        let text = |text: &str| Value::Text(text.to_owned());
        let texts = |list: &[String]| Value::Array(list.iter().map(|item| text(item)).collect());
        let mut members: Vec<(u64, Value)> = Vec::new();
        let mut member = |key, value: Option<Value>| {
            if let Some(value) = value {
                members.push((key, value));
            }
        };
        let kind = SessionKind::ALL.iter().find(|(kind, _)| *kind == self.kind);
        member(1, kind.map(|(_, code)| number(*code)));
        member(2, Some(text(self.account.as_str())));
        member(3, Some(text(&self.principal)));
        member(4, self.unique_id.as_deref().map(text));
        member(5, self.session_name.as_deref().map(text));
        member(6, Some(seconds(self.issued_at)));
        member(7, Some(seconds(self.expires_at)));
        member(8, Some(text(&self.trust_domain)));
        let packed = (!self.packed.is_empty()).then(|| Value::Bytes(self.packed.deflated()));
        member(9, packed);
        member(10, self.source_identity.as_deref().map(text));
        member(11, self.mfa_at.map(seconds));
        let lineage = (!self.lineage.is_empty()).then(|| {
            let links = Value::Array(self.lineage.iter().map(Link::to_value).collect());
            Value::Bytes(packed::deflate(&packed::encode(vec![(1, links)])))
        });
        member(12, lineage);
        member(15, self.provider.as_deref().map(text));
        let carried = self.carried.iter();
        let carried = carried.map(|(key, values)| Value::Array(vec![text(key), texts(values)]));
        let carried = Value::Array(carried.collect());
        member(16, (!self.carried.is_empty()).then_some(carried));
        member(17, self.bearer.then_some(Value::Bool(true)));
        member(
            18,
            (!self.audience.is_empty()).then(|| texts(&self.audience)),
        );
        member(
            PADDING,
            (padding > 0).then(|| Value::Bytes(vec![0; padding])),
        );
        packed::encode(members)
    }

    /// Reads the one encoding that claims have. `None` for anything else: another order, another form
    /// of a number, something behind it, a member that is unknown and counts.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut members = packed::decode(bytes)?;
        let mut take = |key: u64| {
            let at = members.iter().position(|(known, _)| *known == key)?;
            Some(members.remove(at).1)
        };
        let code = take(1).and_then(number)?;
        let (kind, _) = SessionKind::ALL.iter().find(|(_, known)| *known == code)?;
        let account = AccountId::parse(&take(2).and_then(text)?).ok()?;
        let principal = take(3).and_then(text)?;
        let mut claims = Self {
            unique_id: optional(take(4), text)?,
            session_name: optional(take(5), text)?,
            ..Self::new(
                *kind,
                account,
                &principal,
                (take(6).and_then(time)?, take(7).and_then(time)?),
            )
        };
        claims.trust_domain = take(8).and_then(text)?;
        let packed = optional(take(9), bytes_of)?;
        claims.packed = match packed {
            Some(deflated) => Packed::inflated(&deflated)?,
            None => Packed::default(),
        };
        claims.source_identity = optional(take(10), text)?;
        claims.mfa_at = optional(take(11), time)?;
        if let Some(deflated) = optional(take(12), bytes_of)? {
            let [(1, links)] =
                <[(u64, Value); 1]>::try_from(packed::decode(&packed::inflate(&deflated)?)?)
                    .ok()?
            else {
                return None;
            };
            for link in list(links)? {
                claims.lineage.push(Link::of_value(link)?);
            }
        }
        claims.provider = optional(take(15), text)?;
        for pair in optional(take(16), list)?.unwrap_or_default() {
            let [key, values] = <[Value; 2]>::try_from(list(pair)?).ok()?;
            claims.carried.push((text(key)?, texts(values)?));
        }
        claims.bearer = optional(take(17), truth)?.unwrap_or_default();
        claims.audience = optional(take(18), texts)?.unwrap_or_default();
        let is_known = members.iter().all(|(key, _)| *key >= CRITICAL);
        let is_shallow = claims.depth() <= MAX_CHAIN;
        let is_named = claims.session_name.is_some() == (claims.kind == SessionKind::Role);
        (is_known && is_shallow && is_named).then_some(claims)
    }
}

impl Link {
    fn to_value(&self) -> Value {
        let text = |text: &str| Value::Text(text.to_owned());
        Value::Array(vec![
            self.token
                .map_or(Value::Null, |id| Value::Bytes(id.to_vec())),
            text(&self.access_key),
            text(&self.principal),
            self.session.as_deref().map_or(Value::Null, text),
            self.issued_at
                .map_or(Value::Null, |at| Value::Integer(at.seconds().into())),
        ])
    }

    fn of_value(value: Value) -> Option<Self> {
        let [token, key, principal, session, issued_at] =
            <[Value; 5]>::try_from(list(value)?).ok()?;
        let there = |value: Value| (value != Value::Null).then_some(value);
        let token = optional(there(token), bytes_of)?;
        Some(Self {
            token: token.map(TokenId::try_from).transpose().ok()?,
            access_key: text(key)?,
            principal: text(principal)?,
            session: optional(there(session), text)?,
            issued_at: optional(there(issued_at), time)?,
        })
    }
}

/// What is absent, or there and of the right type.
#[expect(clippy::option_option, reason = "the outer one is a refusal")]
fn optional<T>(value: Option<Value>, read: impl Fn(Value) -> Option<T>) -> Option<Option<T>> {
    match value {
        None => Some(None),
        Some(value) => read(value).map(Some),
    }
}

fn number(value: Value) -> Option<u64> {
    value.into_integer().ok()?.try_into().ok()
}

fn time(value: Value) -> Option<Timestamp> {
    let seconds: i64 = value.into_integer().ok()?.try_into().ok()?;
    // Sums with it overflow nowhere.
    (0..=1 << 40)
        .contains(&seconds)
        .then(|| Timestamp::from_seconds(seconds))
}

fn truth(value: Value) -> Option<bool> {
    value.into_bool().ok()
}

fn bytes_of(value: Value) -> Option<Vec<u8>> {
    value.into_bytes().ok()
}

pub(super) fn text(value: Value) -> Option<String> {
    value.into_text().ok()
}

pub(super) fn list(value: Value) -> Option<Vec<Value>> {
    value.into_array().ok()
}

pub(super) fn texts(value: Value) -> Option<Vec<String>> {
    list(value)?.into_iter().map(text).collect()
}
