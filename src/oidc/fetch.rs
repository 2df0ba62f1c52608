//! One answer of a server, under every limit (OID-02).

use crate::oidc::address::{is_public, look_up};
use crate::oidc::error::FetchError;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Request, Response, Url};
use std::sync::Arc;
use std::time::Duration;

/// The longest that a server is waited for.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest answer, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// Looks names up, and leaves out what may not be called.
struct Resolver {
    allow_private: bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found = look_up(name.as_str(), allow_private).await?;
            let addresses: Addrs = Box::new(found.into_iter());
            Ok(addresses)
        })
    }
}

/// A client that trusts these authorities, or those of the system.
pub(super) fn client(ca: Option<&str>, allow_private: bool) -> Result<Client, FetchError> {
    let mut builder = Client::builder()
        .https_only(true)
        .redirect(Policy::none())
        .no_proxy()
        .timeout(TIMEOUT)
        .user_agent("sidegate")
        .pool_max_idle_per_host(1)
        .dns_resolver(Arc::new(Resolver { allow_private }));
    if let Some(pem) = ca {
        let certificates =
            Certificate::from_pem_bundle(pem.as_bytes()).map_err(FetchError::Authority)?;
        builder = builder.tls_certs_only(certificates);
    }
    builder.build().map_err(FetchError::Client)
}

/// An https address that may be called; one that is written as a number is looked at here, for
/// nobody looks it up.
pub(super) fn address(text: &str, allow_private: bool) -> Result<Url, FetchError> {
    let fault = || FetchError::Address(text.to_owned());
    let url = Url::parse(text).map_err(|_| fault())?;
    let host = url.host_str().ok_or_else(fault)?;
    if url.scheme() != "https" || !url.username().is_empty() || url.password().is_some() {
        return Err(fault());
    }
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse();
    if !allow_private && literal.is_ok_and(|address| !is_public(address)) {
        return Err(FetchError::Private(host.to_owned()));
    }
    Ok(url)
}

/// Sends a request and reads the whole answer; gives its `cache-control` with it.
pub(super) async fn send(
    client: &Client,
    request: Request,
) -> Result<(Vec<u8>, Option<String>), FetchError> {
    let address = request.url().to_string();
    let failed = |error| FetchError::Call {
        address: address.clone(),
        error,
    };
    let mut response: Response = client.execute(request).await.map_err(failed)?;
    let status = response.status().as_u16();
    // A review is an object that was created.
    if !matches!(status, 200 | 201) {
        return Err(FetchError::Status { address, status });
    }
    let control = response
        .headers()
        .get("cache-control")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if bytes.len() + chunk.len() > MAX_BYTES {
            return Err(FetchError::TooLong(address));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok((bytes, control))
}
