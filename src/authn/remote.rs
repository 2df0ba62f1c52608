//! What is not in a bundle and not in a token: keys that are fetched, and reviews by an API server.
//!
//! Who fetches lives on a higher floor. What is here says what it has at hand, without waiting; and
//! whoever may wait asks it to look again.

use crate::authn::KeySet;
use crate::model::Timestamp;
use crate::policy::KeyRequest;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// Something to wait for. It ends in any case; what it brought is asked for anew.
pub type Wait<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// The keys of one issuer, fetched now and then (OID-04).
pub trait RemoteKeys: Debug + Send + Sync {
    /// The keys at hand; `None` before the first, and when they are too old to be believed.
    fn current(&self, now: Timestamp) -> Option<Arc<KeySet>>;

    /// Fetches them again, unless that was done a moment ago.
    fn refresh(&self) -> Wait<'_>;
}

/// The reviews of tokens by the API server of Kubernetes (OID-03, K8S-03).
pub trait TokenReviews: Debug + Send + Sync {
    /// What the API server said of a token a moment ago: the name of the user that it is for, or
    /// that it is for none.
    fn known(&self, token: &str, audiences: &[String]) -> Option<Option<Arc<str>>>;

    /// Asks the API server about a token.
    fn review<'a>(&'a self, token: &'a str, audiences: &'a [String]) -> Wait<'a>;
}

/// Whoever has all of it.
pub trait Remotes: Debug + Send + Sync {
    /// The keys that are fetched so.
    fn keys(&self, request: &KeyRequest) -> Arc<dyn RemoteKeys>;

    /// The reviews.
    fn reviews(&self) -> Arc<dyn TokenReviews>;
}

/// Nobody: no keys and no reviews, as where a bundle is only looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRemotes;

impl Remotes for NoRemotes {
    fn keys(&self, _: &KeyRequest) -> Arc<dyn RemoteKeys> {
        Arc::new(Self)
    }

    fn reviews(&self) -> Arc<dyn TokenReviews> {
        Arc::new(Self)
    }
}

impl RemoteKeys for NoRemotes {
    fn current(&self, _: Timestamp) -> Option<Arc<KeySet>> {
        None
    }

    fn refresh(&self) -> Wait<'_> {
        Box::pin(std::future::ready(()))
    }
}

impl TokenReviews for NoRemotes {
    fn known(&self, _: &str, _: &[String]) -> Option<Option<Arc<str>>> {
        None
    }

    fn review<'a>(&'a self, _: &'a str, _: &'a [String]) -> Wait<'a> {
        Box::pin(std::future::ready(()))
    }
}
