//! Reviews of tokens by the API server of Kubernetes (OID-03, K8S-03).

use crate::authn::{TokenReviews, Wait, sha256};
use crate::oidc::ApiServer;
use crate::oidc::error::FetchError;
use crate::oidc::fetch::{address, client, send};
use crate::telemetry::{Fetch, Metrics};
use moka::sync::Cache;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// How long the word of the API server holds: so long a workload that is gone can still act.
const LIFE: Duration = Duration::from_secs(10);
/// The most questions to the API server at once.
const MAX_AT_ONCE: usize = 32;
/// The most reviews that are kept.
const MAX_KEPT: u64 = 100_000;

/// Asks the API server, and remembers for a moment what it said.
#[derive(Debug)]
pub(super) struct Reviewer {
    server: ApiServer,
    metrics: Arc<Metrics>,
    known: Cache<[u8; 32], Option<Arc<str>>>,
    /// How many more questions may be asked at once: whoever sends tokens must not be able to
    /// flood the API server.
    places: Semaphore,
    /// One question at a time for each token, however many wait for it.
    asked: Cache<[u8; 32], Arc<tokio::sync::Mutex<()>>>,
}

#[derive(Serialize)]
struct Question<'a> {
    #[serde(rename = "apiVersion")]
    api_version: &'static str,
    kind: &'static str,
    spec: Spec<'a>,
}

#[derive(Serialize)]
struct Spec<'a> {
    token: &'a str,
    audiences: &'a [String],
}

#[derive(Deserialize)]
struct Answer {
    status: Status,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    authenticated: bool,
    #[serde(default)]
    audiences: Vec<String>,
    user: Option<User>,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

impl Reviewer {
    pub(super) fn new(server: ApiServer, metrics: Arc<Metrics>) -> Self {
        Self {
            server,
            metrics,
            known: Cache::builder()
                .max_capacity(MAX_KEPT)
                .time_to_live(LIFE)
                .build(),
            places: Semaphore::new(MAX_AT_ONCE),
            asked: Cache::builder()
                .max_capacity(MAX_KEPT)
                .time_to_live(LIFE)
                .build(),
        }
    }

    async fn ask(&self, token: &str, audiences: &[String]) -> Result<Option<Arc<str>>, FetchError> {
        let ca = match &self.server.ca {
            Some(path) => Some(read(path).await?),
            None => None,
        };
        // Each time anew: the kubelet exchanges both files.
        let own = read(&self.server.token).await?;
        let client = client(ca.as_deref(), true)?;
        let base = self.server.address.trim_end_matches('/');
        let url = address(
            &format!("{base}/apis/authentication.k8s.io/v1/tokenreviews"),
            true,
        )?;
        let question = Question {
            api_version: "authentication.k8s.io/v1",
            kind: "TokenReview",
            spec: Spec { token, audiences },
        };
        let mut request = Request::new(Method::POST, url);
        let bearer = HeaderValue::from_str(&format!("Bearer {}", own.trim()));
        let mut bearer = bearer.map_err(|_| FetchError::Review)?;
        bearer.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, bearer);
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, json);
        let body = serde_json::to_vec(&question).map_err(|_| FetchError::Review)?;
        *request.body_mut() = Some(body.into());
        let (bytes, _) = send(&client, request).await?;
        let answer: Answer = serde_json::from_slice(&bytes).map_err(|_| FetchError::Review)?;
        let Status {
            authenticated,
            audiences: named,
            user,
        } = answer.status;
        // A server that does not know of audiences names none, and vouches for none of ours.
        let is_ours = named.iter().any(|audience| audiences.contains(audience));
        let user = user.filter(|_| authenticated && is_ours);
        Ok(user.map(|user| user.username.into()))
    }
}

impl TokenReviews for Reviewer {
    fn known(&self, token: &str, audiences: &[String]) -> Option<Option<Arc<str>>> {
        self.known.get(&name(token, audiences))
    }

    fn review<'a>(&'a self, token: &'a str, audiences: &'a [String]) -> Wait<'a> {
        Box::pin(async move {
            let name = name(token, audiences);
            let turn = self.asked.get_with(name, Arc::default);
            let _turn = turn.lock().await;
            if self.known.contains_key(&name) {
                return;
            }
            // Whoever asks waits for so long as its caller does, and no longer.
            let Ok(_place) = self.places.acquire().await else {
                return;
            };
            match self.ask(token, audiences).await {
                Ok(said) => {
                    self.metrics.fetched(Fetch::Success);
                    self.known.insert(name, said);
                }
                Err(error) => {
                    self.metrics.fetched(Fetch::Failure);
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "the API server did not review a token");
                }
            }
        })
    }
}

/// What a review is remembered by: the whole question, and no token.
fn name(token: &str, audiences: &[String]) -> [u8; 32] {
    let mut text = String::with_capacity(token.len() + 64);
    for part in audiences.iter().map(String::as_str).chain([token]) {
        text.push_str(&part.len().to_string());
        text.push(':');
        text.push_str(part);
    }
    sha256(&text)
}

async fn read(path: &Path) -> Result<String, FetchError> {
    let failed = |error| FetchError::File(path.display().to_string(), error);
    tokio::fs::read_to_string(path).await.map_err(failed)
}
