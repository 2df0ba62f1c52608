//! The key set of one issuer, kept fresh by a task (OID-04).

use crate::authn::{KeySet, RemoteKeys, Wait, jwks_uri};
use crate::clock::Clock;
use crate::model::Timestamp;
use crate::oidc::error::FetchError;
use crate::oidc::fetch::{address, client, send};
use crate::policy::KeyRequest;
use crate::telemetry::{Fetch, Metrics};
use arc_swap::ArcSwapOption;
use reqwest::{Client, Method, Request};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// The bounds of how long a key set is believed before it is fetched again.
const LIFE: (Duration, Duration) = (Duration::from_mins(5), Duration::from_hours(24));
/// How long where the server does not say.
const USUAL_LIFE: Duration = Duration::from_hours(1);
/// The shortest time between two attempts that tokens ask for.
const COOL_DOWN: Duration = Duration::from_secs(30);
/// The bounds of the wait after a failure.
const RETRY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(5));

/// Keys that were fetched, or are about to be.
#[derive(Debug)]
pub(super) struct Fetched {
    request: KeyRequest,
    current: ArcSwapOption<Stamped>,
    /// Somebody wants them anew.
    wanted: Arc<Notify>,
    /// How many attempts have ended.
    attempts: watch::Sender<Attempts>,
}

#[derive(Debug)]
struct Stamped {
    keys: Arc<KeySet>,
    at: Timestamp,
    /// How long they are believed, by the word of their server.
    life: Duration,
}

#[derive(Clone, Copy, Debug, Default)]
struct Attempts {
    ended: u64,
    /// When the last one began.
    last: Option<Instant>,
}

impl Fetched {
    /// Begins to fetch; the task ends when nobody holds the keys any more.
    pub(super) fn start(
        request: KeyRequest,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        let keys = Arc::new(Self {
            request: request.clone(),
            current: ArcSwapOption::empty(),
            wanted: Arc::new(Notify::new()),
            attempts: watch::Sender::new(Attempts::default()),
        });
        let (weak, wanted) = (Arc::downgrade(&keys), Arc::clone(&keys.wanted));
        tokio::spawn(keep(weak, wanted, request, clock, metrics));
        keys
    }

    fn is_cool(attempts: Attempts) -> bool {
        attempts.last.is_none_or(|last| last.elapsed() >= COOL_DOWN)
    }
}

impl Drop for Fetched {
    fn drop(&mut self) {
        // The task looks, finds nobody, and ends.
        self.wanted.notify_one();
    }
}

impl RemoteKeys for Fetched {
    fn current(&self, now: Timestamp) -> Option<Arc<KeySet>> {
        let current = self.current.load();
        let Stamped { keys, at, life } = current.as_deref()?;
        let age_s = now.seconds().saturating_sub(at.seconds());
        let longest_s = life.as_secs().cast_signed() + i64::from(self.request.stale_if_error_s);
        (age_s <= longest_s).then(|| Arc::clone(keys))
    }

    fn refresh(&self) -> Wait<'_> {
        let mut attempts = self.attempts.subscribe();
        let before = *attempts.borrow_and_update();
        // Before the first has ended that one is waited for.
        if before.ended > 0 && !Self::is_cool(before) {
            return Box::pin(std::future::ready(()));
        }
        self.wanted.notify_one();
        Box::pin(async move {
            // An error means that the keys are gone, with the snapshot that had them.
            let _ = attempts
                .wait_for(|attempts| attempts.ended > before.ended)
                .await;
        })
    }
}

/// Fetches again and again.
async fn keep(
    keys: Weak<Fetched>,
    wanted: Arc<Notify>,
    request: KeyRequest,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
) {
    let mut retry = RETRY.0;
    let mut told = None;
    loop {
        if let Some(keys) = keys.upgrade() {
            keys.attempts
                .send_modify(|attempts| attempts.last = Some(Instant::now()));
        }
        let fetched = fetch(&request).await;
        let Some(keys) = keys.upgrade() else { return };
        let wait = match fetched {
            Ok((set, life)) => {
                tracing::info!(issuer = %request.issuer, keys = set.len(), "keys were fetched");
                metrics.fetched(Fetch::Success);
                keys.current.store(Some(Arc::new(Stamped {
                    keys: Arc::new(set),
                    at: clock.now(),
                    life,
                })));
                (retry, told) = (RETRY.0, None);
                life
            }
            Err(error) => {
                metrics.fetched(Fetch::Failure);
                let text = causes(&error);
                if told.as_ref() != Some(&text) {
                    let at_hand = keys.current.load().is_some();
                    tracing::warn!(issuer = %request.issuer, at_hand, "keys could not be fetched: {text}");
                }
                told = Some(text);
                let wait = retry;
                retry = retry.saturating_mul(2).min(RETRY.1);
                wait
            }
        };
        keys.attempts.send_modify(|attempts| attempts.ended += 1);
        drop(keys);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = wanted.notified() => {}
        }
    }
}

fn causes(error: &FetchError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

async fn fetch(request: &KeyRequest) -> Result<(KeySet, Duration), FetchError> {
    let client = client(request.ca.as_deref(), request.private_addresses)?;
    let found = match &request.url {
        Some(url) => url.clone(),
        None => discover(&client, request).await?,
    };
    let (bytes, control) = get(&client, &found, request).await?;
    let text = String::from_utf8_lossy(&bytes);
    let keys = KeySet::parse(&text, &request.algorithms)?;
    Ok((keys, life(control.as_deref())))
}

/// OID-02.
async fn discover(client: &Client, request: &KeyRequest) -> Result<String, FetchError> {
    let issuer = request.issuer.trim_end_matches('/');
    let document = format!("{issuer}/.well-known/openid-configuration");
    let (bytes, _) = get(client, &document, request).await?;
    Ok(jwks_uri(&bytes, &request.issuer, &request.hosts)?)
}

async fn get(
    client: &Client,
    text: &str,
    request: &KeyRequest,
) -> Result<(Vec<u8>, Option<String>), FetchError> {
    let url = address(text, request.private_addresses)?;
    send(client, Request::new(Method::GET, url)).await
}

/// How long an answer is believed, by its `cache-control`.
fn life(control: Option<&str>) -> Duration {
    let directives = control.unwrap_or_default().split(',').map(str::trim);
    let mut age = None;
    for directive in directives {
        let folded = directive.to_ascii_lowercase();
        if folded == "no-store" || folded == "no-cache" {
            return LIFE.0;
        }
        if let Some(seconds) = folded.strip_prefix("max-age=") {
            age = seconds.parse().ok().map(Duration::from_secs);
        }
    }
    age.unwrap_or(USUAL_LIFE).clamp(LIFE.0, LIFE.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_keys_are_believed_is_clamped() {
        let cases = [
            (None, 3_600),
            (Some("max-age=600"), 600),
            (Some("public, Max-Age=7200, must-revalidate"), 7_200),
            (Some("max-age=1"), 300),
            (Some("max-age=99999999"), 86_400),
            (Some("no-store"), 300),
            (Some("max-age=x"), 3_600),
        ];
        for (control, seconds) in cases {
            let expected = Duration::from_secs(seconds);
            assert_eq!(life(control), expected, "OID-04: {control:?}");
        }
    }
}
