//! Why something could not be fetched.

use crate::authn::{DiscoveryError, KeySetError};

/// Why something could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The certificates of the authority cannot be read.
    #[error("the certificates of the authority cannot be read")]
    Authority(#[source] reqwest::Error),
    /// There is no way to call anybody.
    #[error("no client could be made: are there certificates of the system, or a `caFile`?")]
    Client(#[source] reqwest::Error),
    /// The address is private, and that was not allowed.
    #[error("`{0}` is a private address (`privateAddresses: true` allows those)")]
    Private(String),
    /// It is no address to fetch from.
    #[error("`{0}` is not an https address")]
    Address(String),
    /// The server cannot be reached, or breaks off.
    #[error("`{address}` cannot be fetched")]
    Call {
        /// What was asked for.
        address: String,
        /// Why it failed.
        #[source]
        error: reqwest::Error,
    },
    /// The server answers something else than 200.
    #[error("`{address}` answers {status}")]
    Status {
        /// What was asked for.
        address: String,
        /// The status.
        status: u16,
    },
    /// The answer is longer than what is read.
    #[error("the answer of `{0}` is longer than 1 MiB")]
    TooLong(String),
    /// The discovery document is refused.
    #[error("the discovery document is refused")]
    Discovery(#[from] DiscoveryError),
    /// The key set is refused.
    #[error("the key set is refused")]
    Keys(#[from] KeySetError),
    /// Our own token for the API server cannot be read.
    #[error("the file `{0}` cannot be read")]
    File(String, #[source] std::io::Error),
    /// The API server answers something that nobody understands.
    #[error("the review of the API server cannot be read")]
    Review,
}
