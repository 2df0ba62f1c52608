//! The token service: who gets temporary credentials for what (section 2 of the signing rules).
//!
//! Trust is decided by the engine, as everything else: this is where the questions are put together
//! and what follows from the answers. Nothing is remembered but which codes of second factors were
//! used.

mod assume;
mod fault;
mod packing;
mod second_factor;
mod user;

pub use assume::{AssumeRole, AssumeRoleWithWebIdentity};
pub use fault::IssueFault;
pub use packing::SessionPolicies;
pub use second_factor::{Proof, UsedCodes};
pub use user::{FederationToken, SessionToken};

use crate::authn::{
    AccessKeyBytes, Chance, Claims, Credentials, Link, MintError, Presented, SigV4Error,
    SignedCall, TokenKeys, presented,
};
use crate::engine::{Subject, judge};
use crate::model::{
    AccountId, Action, Arn, Context, Decision, HttpCall, Principal, Request, ResourceName,
    Timestamp,
};
use crate::pdp::caller::Caller;
use crate::pdp::outcome::Refusal;
use crate::pdp::target::Target;
use crate::pdp::{authenticate, context, layers_of, reason};
use crate::policy::{PayloadMode, Signing};
use crate::snapshot::Snapshot;
use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE32_NOPAD;

/// The prefix of the token service in actions and scopes.
const STS: &str = "sts";

/// Everything that one call to the token service is answered by.
#[derive(Debug)]
pub struct Desk<'a> {
    /// The snapshot.
    pub snapshot: &'a Snapshot,
    /// The call.
    pub call: &'a HttpCall,
    /// Which codes of second factors were used.
    pub used: &'a UsedCodes,
    /// What is by chance in a new token.
    pub chance: Chance,
    /// The time.
    pub now: Timestamp,
}

/// Temporary credentials, and what is told with them.
#[derive(Debug)]
pub struct Issued {
    /// The credentials.
    pub credentials: Credentials,
    /// What the token says.
    pub claims: Claims,
    /// `AROA…:NAME` or `ACCOUNT:NAME` of the session.
    pub session_id: Option<String>,
    /// The ARN of the session.
    pub session_arn: Option<String>,
    /// How much of what may be packed is used, in percent.
    pub packed_percent: Option<usize>,
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The unique id (IDS-04).
    pub user_id: String,
    /// The account.
    pub account: AccountId,
    /// The ARN.
    pub arn: String,
}

impl Desk<'_> {
    /// Who signed the call; `may_be_address` where a signed address will do (STS-05).
    ///
    /// # Errors
    ///
    /// [`Refusal`] for whoever did not.
    pub fn caller(&self, may_be_address: bool) -> Result<Caller, Refusal> {
        let query = self.call.target.split_once('?').map(|(_, query)| query);
        let refuse = |fault: SigV4Error| authenticate::unsigned(&fault);
        let presented = presented(&self.call.headers, query).map_err(|fault| {
            authenticate::refused(fault.label(), fault.failure(true), fault.rule(), &fault)
        })?;
        let read = match presented {
            Presented::SigV4Header => SignedCall::of_header(self.call),
            Presented::SigV4Query if may_be_address => {
                SignedCall::of_query(query.unwrap_or_default())
            }
            Presented::SigV4Query => {
                let message = "this action is not taken from a signed address";
                let failure = crate::authn::Failure::QueryParameters;
                return Err(authenticate::refused(
                    "signed_address",
                    failure,
                    "STS-05",
                    &message,
                ));
            }
            Presented::None | Presented::Bearer(_) => {
                let message = "Request is missing Authentication Token";
                let failure = crate::authn::Failure::Missing;
                return Err(authenticate::refused(
                    "missing_credentials",
                    failure,
                    "ERR-01",
                    &message,
                ));
            }
        };
        let signed = read.map_err(refuse)?;
        let mut signing = Signing::of(STS, None, &[PayloadMode::Verified]);
        // Clients sign for whatever region they are in; the service is one for all of them.
        signing.regions = vec![signed.region().to_owned()];
        signed.check_scope(&signing).map_err(refuse)?;
        signed.check_clock(&signing, self.now).map_err(refuse)?;
        signed.check_token().map_err(refuse)?;
        authenticate::verified(self.snapshot, self.call, &signed, (&signing, STS), self.now)
    }

    /// `GetCallerIdentity`: nobody is denied their own name.
    #[must_use]
    pub fn identity(&self, caller: &Caller) -> Option<Identity> {
        Some(Identity {
            user_id: user_id(caller)?,
            account: caller.principal.account()?,
            arn: caller.principal.arn()?.as_str().to_owned(),
        })
    }

    /// `GetAccessKeyInfo`: the account that a key is of, which is read from the key itself.
    ///
    /// # Errors
    ///
    /// [`IssueFault`] for whoever may not ask, and for what is no key.
    pub fn account_of_key(&self, caller: &Caller, id: &str) -> Result<AccountId, IssueFault> {
        let context = self.context(caller);
        self.decide(
            caller,
            "sts:GetAccessKeyInfo",
            ResourceName::Wildcard,
            context,
        )?;
        let known = self.snapshot.access_keys.user_of(id);
        let known = known.and_then(|user| Arn::parse(user).ok()?.account());
        let of_text = || AccessKeyBytes::account_of(id).filter(|_| id.starts_with("ASIA"));
        known
            .or_else(of_text)
            .ok_or_else(|| IssueFault::Validation(format!("The access key id {id} is not known.")))
    }

    /// `DecodeAuthorizationMessage` (DAM): why somebody of the caller's account was denied.
    ///
    /// # Errors
    ///
    /// [`IssueFault`] for whoever may not ask, and for what was not sealed here, or too long ago.
    pub fn decoded_message(&self, caller: &Caller, text: &str) -> Result<String, IssueFault> {
        let context = self.context(caller);
        let action = "sts:DecodeAuthorizationMessage";
        self.decide(caller, action, ResourceName::Wildcard, context)?;
        let account = caller.principal.account();
        let opened =
            account.and_then(|account| reason::open(self.snapshot, account, text, self.now));
        opened.ok_or(IssueFault::Call {
            code: "InvalidAuthorizationMessageException",
            message: "The message is not one of this account, or too old.".to_owned(),
        })
    }

    /// What every question about a caller is judged by.
    fn context(&self, caller: &Caller) -> Context {
        context::of_caller(caller, self.call, self.now)
    }

    /// Whether anything can be issued here: nothing else is looked at where it cannot.
    fn keys(&self) -> Result<&TokenKeys, IssueFault> {
        let keys = self.snapshot.token_keys.as_ref();
        keys.filter(|keys| keys.issues()).ok_or(IssueFault::NoKeys)
    }

    /// Asks the engine.
    fn decide(
        &self,
        caller: &Caller,
        action: &'static str,
        resource: ResourceName,
        mut context: Context,
    ) -> Result<(), IssueFault> {
        let action = Action::parse(action).map_err(|_| Refusal::Internal)?;
        let principal = &caller.principal;
        let target = Target::look_up(
            self.snapshot,
            principal,
            &action,
            resource,
            None,
            None,
            None,
        )?;
        context::set_records(&mut context, self.snapshot, caller, &target);
        let request = Request {
            principal,
            credential: caller.credential,
            forwarded: false,
            action: &action,
            resource: &target.resource,
            context: &context,
        };
        let layers = layers_of(self.snapshot, caller, &target, &context);
        match judge(&layers, &request) {
            Decision::Allow(_) => Ok(()),
            Decision::Deny(_) => Err(denied(caller, &action, target.resource.name.as_str())),
        }
    }

    fn issue(
        &self,
        claims: Claims,
        min_chars: usize,
        packed_percent: Option<usize>,
    ) -> Result<Issued, IssueFault> {
        let keys = self.keys()?;
        let minted = keys.mint(claims.clone(), min_chars, self.chance, self.now);
        let credentials = minted.map_err(|fault| match fault {
            MintError::NoKey => IssueFault::NoKeys,
            MintError::TooLong => IssueFault::PackedTooLarge(
                "Packed policy consumes more than the allotted space, please use smaller policy."
                    .to_owned(),
            ),
            MintError::Sealing => IssueFault::Refused(Refusal::Internal),
        })?;
        Ok(Issued {
            credentials,
            claims,
            session_id: None,
            session_arn: None,
            packed_percent,
        })
    }
}

/// ASR-05: without permission, and for what is not there, the answer is the same.
fn denied(caller: &Caller, action: &Action, resource: &str) -> IssueFault {
    IssueFault::Denied(format!(
        "User: {} is not authorized to perform: {action} on resource: {resource}",
        caller.principal.display_name()
    ))
}

/// `aws:RequestTag/…` and `aws:TagKeys`.
fn set_tags(context: &mut Context, tags: &[(String, String)]) {
    for (key, value) in tags {
        context.set(&format!("aws:RequestTag/{key}"), value.as_str());
    }
    let keys = tags.iter().map(|(key, _)| key.as_str().into());
    context.set_all("aws:TagKeys", keys);
}

/// The credentials that a new session is obtained with.
fn lineage(caller: &Caller) -> Vec<Link> {
    let access_key = caller.access_key_id.clone().unwrap_or_default();
    let Some(token) = caller.token.as_deref() else {
        let principal = caller.principal.arn();
        return vec![Link {
            token: None,
            access_key,
            principal: principal.map_or("", Arn::as_str).to_owned(),
            session: None,
            issued_at: None,
        }];
    };
    let mut lineage = token.claims.lineage.clone();
    lineage.push(Link {
        token: Some(token.id),
        access_key,
        principal: token.claims.principal.clone(),
        session: token.arn(),
        issued_at: Some(token.claims.issued_at),
    });
    lineage
}

/// IDS-04.
pub(super) fn user_id(caller: &Caller) -> Option<String> {
    let subject = caller.subject.as_deref();
    Some(match &caller.principal {
        Principal::User { .. } => unique_id("AIDA", subject?),
        Principal::RoleSession { session, .. } => {
            format!("{}:{}", unique_id("AROA", subject?), session.name())
        }
        Principal::FederatedUser { account, .. } => {
            format!("{account}:{}", caller.principal.session_name()?)
        }
        Principal::Root { account, .. } => account.as_str().to_owned(),
        Principal::Anonymous | Principal::Service { .. } | Principal::IdentityProvider { .. } => {
            return None;
        }
    })
}

/// The unique id that the bundle gives, or one that follows from the ARN, so that it is the same on
/// every server (IDS-01).
fn unique_id(prefix: &str, subject: &Subject) -> String {
    subject.unique_id.clone().unwrap_or_else(|| {
        let digest = digest(&SHA256, subject.arn.as_str().as_bytes());
        let text = BASE32_NOPAD.encode(digest.as_ref());
        format!("{prefix}{}", text.get(..17).unwrap_or_default())
    })
}
