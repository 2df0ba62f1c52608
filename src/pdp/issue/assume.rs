//! Sessions of roles.

use crate::authn::{Claims, JwtError, MAX_CHAIN, SessionKind, WebIdentity};
use crate::engine::Subject;
use crate::model::{Action, Arn, Context, Issuance, Principal, ResourceName, Timestamp};
use crate::pdp::authenticate;
use crate::pdp::caller::Caller;
use crate::pdp::context;
use crate::pdp::issue::fault::IssueFault;
use crate::pdp::issue::packing::SessionPolicies;
use crate::pdp::issue::second_factor::Proof;
use crate::pdp::issue::{Desk, Issued, denied, lineage, unique_id};
use crate::pdp::outcome::Refusal;
use std::sync::Arc;

/// What AssumeRole is asked with; lengths and alphabets were looked at.
#[derive(Clone, Debug, Default)]
pub struct AssumeRole {
    /// The ARN of the role.
    pub role_arn: String,
    /// The name of the session.
    pub session_name: String,
    /// How long it is to live, in seconds.
    pub duration_s: Option<u32>,
    /// Its policies.
    pub policies: SessionPolicies,
    /// Its tags.
    pub tags: Vec<(String, String)>,
    /// The names of those that go on to sessions that are obtained with it.
    pub transitive: Vec<String>,
    /// What the role's owner asked for.
    pub external_id: Option<String>,
    /// A second factor.
    pub proof: Option<Proof>,
    /// On whose behalf it is.
    pub source_identity: Option<String>,
    /// The least length of the token, in characters.
    pub min_chars: usize,
}

/// What `AssumeRoleWithWebIdentity` is asked with.
#[derive(Clone, Debug, Default)]
pub struct AssumeRoleWithWebIdentity {
    /// The ARN of the role.
    pub role_arn: String,
    /// The name of the session.
    pub session_name: String,
    /// The token of the issuer.
    pub token: String,
    /// How long it is to live, in seconds.
    pub duration_s: Option<u32>,
    /// Its policies.
    pub policies: SessionPolicies,
    /// The least length of the token, in characters.
    pub min_chars: usize,
}

impl Desk<'_> {
    /// AssumeRole (ASR-01 to ASR-06).
    ///
    /// # Errors
    ///
    /// [`IssueFault`].
    pub fn assume_role(&self, caller: &Caller, ask: &AssumeRole) -> Result<Issued, IssueFault> {
        self.keys()?;
        let arn = role_arn(&ask.role_arn)?;
        let action = Action::parse("sts:AssumeRole").map_err(|_| Refusal::Internal)?;
        let unknown = || denied(caller, &action, arn.as_str());
        // ASR-05: what does not depend on the role is looked at before it, so that nothing tells
        // whether it is there.
        let (tags, transitive) = chained_tags(caller, &ask.tags, &ask.transitive)?;
        let source_identity = match (&caller.source_identity, &ask.source_identity) {
            // SRC-01: once set it stays.
            (Some(set), Some(asked)) if set != asked => return Err(unknown()),
            (set, asked) => set.clone().or_else(|| asked.clone()),
        };
        if let Some(proof) = &ask.proof {
            self.used.accept(self.snapshot, caller, proof, self.now)?;
        }
        let account = arn.account().ok_or_else(unknown)?;
        let role = self.snapshot.policies.role(account, arn.as_str());
        // ROLE-30: roles that belong to a service are that service's.
        let role = role.filter(|role| !role.service_linked);
        let role = role.ok_or_else(unknown)?;
        let mut context = self.context(caller);
        set_asked(&mut context, ask, source_identity.as_deref());
        if ask.proof.is_some() {
            // MFA-04: for this call alone.
            context.set("aws:MultiFactorAuthPresent", "true");
            context.set("aws:MultiFactorAuthAge", "0");
        }
        let mut actions = vec!["sts:AssumeRole"];
        // ASR-03: tags and source identity that are inherited count as well.
        if !tags.is_empty() {
            actions.push("sts:TagSession");
        }
        if source_identity.is_some() {
            actions.push("sts:SetSourceIdentity");
        }
        for action in actions {
            let resource = ResourceName::Arn(role.arn.clone());
            self.decide(caller, action, resource, context.clone())?;
        }
        let is_chained = matches!(caller.principal, Principal::RoleSession { .. });
        let lineage = lineage(caller);
        let depth = lineage.iter().filter(|link| link.token.is_some()).count();
        if depth > MAX_CHAIN {
            let message = format!("a chain of sessions has at most {MAX_CHAIN} of them");
            return Err(IssueFault::Validation(message));
        }
        // What was for some services only stays so.
        let token = caller.token.as_deref();
        let audience = token.map_or_else(Vec::new, |token| token.claims.audience.clone());
        let life = self.life(role, is_chained, ask.duration_s)?;
        let packed = ask
            .policies
            .pack(self.snapshot, account, tags, transitive)?;
        let claims = Claims {
            source_identity,
            lineage,
            audience,
            packed: packed.0,
            ..session_of(role, &ask.session_name, life)
        };
        self.issue_role(role, claims, ask.min_chars, packed.1)
    }

    /// `AssumeRoleWithWebIdentity` (WEB): the trust policy alone decides, about whoever the token
    /// proves. The identity is told with the credentials.
    ///
    /// # Errors
    ///
    /// [`IssueFault`].
    pub fn assume_role_with_web_identity(
        &self,
        ask: &AssumeRoleWithWebIdentity,
    ) -> Result<(Issued, Arc<WebIdentity>), IssueFault> {
        self.keys()?;
        let arn = role_arn(&ask.role_arn)?;
        let verified = self.snapshot.tokens.verify(&ask.token, self.now);
        let identity = verified.map_err(|fault| of_web_token(&fault))?;
        let not_authorized = || {
            let message = "Not authorized to perform sts:AssumeRoleWithWebIdentity";
            IssueFault::Denied(message.to_owned())
        };
        let account = arn.account().ok_or_else(not_authorized)?;
        let role = self.snapshot.policies.role(account, arn.as_str());
        let role = role.filter(|role| !role.service_linked);
        let role = role.ok_or_else(not_authorized)?;
        // CLM-05: what the provider says of name and role holds at this door as at every other.
        let provider = &identity.provider;
        let is_named = !provider.names_sessions || identity.session_name == ask.session_name;
        let is_mapped = !provider.maps_roles()
            || identity.role.as_deref().is_some_and(|text| {
                let mapped = self.snapshot.policies.role(provider.account, text);
                mapped.is_some_and(|mapped| Arc::ptr_eq(mapped, role))
            });
        if !is_named || !is_mapped {
            return Err(not_authorized());
        }
        let named = WebIdentity {
            session_name: ask.session_name.clone(),
            ..WebIdentity::clone(&identity)
        };
        let facts = |context: &mut Context| context::set_network(context, self.call);
        authenticate::may_assume(self.snapshot, role, &named, self.now, facts).map_err(
            |refusal| match refusal {
                Refusal::Denied { message, .. } => IssueFault::Denied(message),
                refusal => IssueFault::Refused(refusal),
            },
        )?;
        let life = self.life(role, false, ask.duration_s)?;
        let (tags, transitive) = (
            named.session_tags.clone(),
            named.transitive_tag_keys.clone(),
        );
        let packed = ask
            .policies
            .pack(self.snapshot, account, tags, transitive)?;
        let carried = named.carried();
        let claims = Claims {
            source_identity: named.source_identity.clone(),
            provider: Some(named.provider.arn.as_str().to_owned()),
            carried: carried
                .map(|(key, values)| (key.to_owned(), values.to_vec()))
                .collect(),
            packed: packed.0,
            ..session_of(role, &ask.session_name, life)
        };
        let issued = self.issue_role(role, claims, ask.min_chars, packed.1)?;
        Ok((issued, identity))
    }

    /// DUR-01 to DUR-03.
    fn life(
        &self,
        role: &Subject,
        chained: bool,
        asked_s: Option<u32>,
    ) -> Result<(Timestamp, Timestamp), IssueFault> {
        let max_session_s = role.max_session_s;
        let issuance = Issuance::Role {
            max_session_s,
            chained_max_s: chained.then_some(role.max_chained_s),
        };
        let duration_s = issuance.duration_s(asked_s).map_err(|refused| {
            IssueFault::Validation(if refused.asked_s < refused.min_s {
                too_short(refused.asked_s)
            } else if chained {
                format!(
                    "The requested DurationSeconds exceeds the {} hour session limit for roles assumed by role chaining",
                    refused.max_s / 3_600
                )
            } else {
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.".to_owned()
            })
        })?;
        let end = self.now.seconds() + i64::from(duration_s);
        let start = Timestamp::from_seconds(self.now.seconds());
        Ok((start, Timestamp::from_seconds(end)))
    }

    fn issue_role(
        &self,
        role: &Subject,
        claims: Claims,
        min_chars: usize,
        packed_percent: Option<usize>,
    ) -> Result<Issued, IssueFault> {
        let name = claims.session_name.clone().unwrap_or_default();
        let resource = format!("assumed-role/{}/{name}", role.name);
        let arn = Arn::of_identity(role.arn.partition(), "sts", role.account, &resource);
        let arn = arn.map_err(|_| Refusal::Internal)?;
        let issued = self.issue(claims, min_chars, packed_percent)?;
        Ok(Issued {
            session_id: Some(format!("{}:{name}", unique_id("AROA", role))),
            session_arn: Some(arn.as_str().to_owned()),
            ..issued
        })
    }
}

pub(super) fn too_short(asked_s: u32) -> String {
    format!(
        "1 validation error detected: Value '{asked_s}' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900"
    )
}

fn session_of(role: &Subject, name: &str, life: (Timestamp, Timestamp)) -> Claims {
    Claims {
        unique_id: role.unique_id.clone(),
        session_name: Some(name.to_owned()),
        ..Claims::new(SessionKind::Role, role.account, role.arn.as_str(), life)
    }
}

fn role_arn(text: &str) -> Result<Arn, IssueFault> {
    let arn = Arn::parse(text).ok().filter(Arn::is_role);
    arn.ok_or_else(|| IssueFault::Validation(format!("{text} is invalid")))
}

/// Tags with their names of transitive ones.
type Tags = (Vec<(String, String)>, Vec<String>);

/// TAG-02: the transitive tags of the caller's session go on, and nobody passes them anew.
fn chained_tags(
    caller: &Caller,
    passed: &[(String, String)],
    passed_transitive: &[String],
) -> Result<Tags, IssueFault> {
    let is_in = |names: &[String], key: &str| {
        let folded = key.to_lowercase();
        names.iter().any(|name| name.to_lowercase() == folded)
    };
    let inherited = caller.session_tags.iter();
    let inherited = inherited.filter(|(key, _)| is_in(&caller.transitive_tags, key));
    let mut tags: Vec<(String, String)> = inherited.cloned().collect();
    let mut transitive: Vec<String> = tags.iter().map(|(key, _)| key.clone()).collect();
    if let Some((key, _)) = passed.iter().find(|(key, _)| is_in(&transitive, key)) {
        let message = format!(
            "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session: {key}"
        );
        return Err(IssueFault::Validation(message));
    }
    tags.extend(passed.iter().cloned());
    transitive.extend(passed_transitive.iter().cloned());
    Ok((tags, transitive))
}

/// ASR-04, ROLE-23: what is passed in this very call.
fn set_asked(context: &mut Context, ask: &AssumeRole, source_identity: Option<&str>) {
    context.set("sts:RoleSessionName", ask.session_name.as_str());
    if let Some(id) = &ask.external_id {
        context.set("sts:ExternalId", id.as_str());
    }
    if let Some(source) = source_identity {
        context.set("sts:SourceIdentity", source);
    }
    super::set_tags(context, &ask.tags);
    let transitive = ask.transitive.iter().map(|key| key.as_str().into());
    context.set_all("sts:TransitiveTagKeys", transitive);
}

fn of_web_token(fault: &JwtError) -> IssueFault {
    let message = fault.to_string();
    if fault.is_expiry() {
        IssueFault::ExpiredWebToken(message)
    } else if fault.failure() == crate::authn::Failure::Unavailable {
        IssueFault::IssuerUnreachable(message)
    } else {
        IssueFault::InvalidWebToken(message)
    }
}
