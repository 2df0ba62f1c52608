//! Fetches what vouches for tokens: the keys of issuers, and reviews by the API server.
//!
//! Floor 4. A task for each key set keeps it fresh; what a decision reads is at hand and never
//! waited for. Only a door waits, once, for a token that nothing at hand could settle.
//!
//! # Invariants
//!
//! - Nothing is fetched from an address that a token names: the bundle names the issuer, and its
//!   discovery document the key set, on a host that the bundle allows (OID-01, OID-02).
//! - Only https, no redirects, a body of 1 MiB and 5 s at the most, and no private address unless
//!   the bundle allows them (OID-02).
//! - What fails leaves the last keys in force until they are too old (OID-04), and never lets
//!   anybody in.

mod address;
mod error;
mod fetch;
mod keys;
mod review;

pub use error::FetchError;

use crate::authn::{RemoteKeys, Remotes, TokenReviews};
use crate::clock::Clock;
use crate::policy::KeyRequest;
use crate::telemetry::Metrics;
use keys::Fetched;
use review::Reviewer;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Where the API server of Kubernetes is, and how it knows us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiServer {
    /// Its address.
    pub address: String,
    /// The file of our own token.
    pub token: PathBuf,
    /// The file of the authority that vouches for it; `None` is those of the system.
    pub ca: Option<PathBuf>,
}

/// Fetches for all snapshots of a server: a key set that a new snapshot has as well stays as it is.
#[derive(Debug)]
pub struct Fetcher {
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    keys: Mutex<HashMap<KeyRequest, Weak<Fetched>>>,
    reviewer: Arc<Reviewer>,
}

impl Fetcher {
    /// A fetcher that has fetched nothing yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, metrics: Arc<Metrics>, api_server: ApiServer) -> Self {
        Self {
            reviewer: Arc::new(Reviewer::new(api_server, Arc::clone(&metrics))),
            clock,
            metrics,
            keys: Mutex::default(),
        }
    }
}

impl Remotes for Fetcher {
    /// Has to be called within a tokio runtime: fetching begins at once.
    fn keys(&self, request: &KeyRequest) -> Arc<dyn RemoteKeys> {
        let mut known = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, keys| keys.strong_count() > 0);
        if let Some(keys) = known.get(request).and_then(Weak::upgrade) {
            return keys;
        }
        let keys = Fetched::start(
            request.clone(),
            Arc::clone(&self.clock),
            Arc::clone(&self.metrics),
        );
        known.insert(request.clone(), Arc::downgrade(&keys));
        keys
    }

    fn reviews(&self) -> Arc<dyn TokenReviews> {
        Arc::clone(&self.reviewer) as Arc<dyn TokenReviews>
    }
}
