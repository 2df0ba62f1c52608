//! What is measured, written down and traced. The only module that names a metric.
//!
//! Floor 3. Labels come from closed sets; nothing that a caller sends becomes one.

mod buckets;
pub mod decision_log;
mod exposition;
mod logging;
mod metrics;
mod otlp;
mod share;
mod traces;

pub use exposition::Exposition;
pub use logging::{LogFormat, Logging};
pub use metrics::{InFlight, Metrics, OUTCOMES, SnapshotFacts};
pub use otlp::{Otlp, OtlpError, Protocol as OtlpProtocol};
pub use traces::{Checked, Timing, Tracer};

/// A door through which decisions are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Envoy's gRPC check.
    ExtAuthz,
    /// The native gRPC API.
    Api,
    /// HTTP forward-auth.
    ForwardAuth,
    /// The token service.
    Sts,
    /// Credentials for pods.
    PodCredentials,
}

/// A stage of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Who is calling.
    Authenticate,
    /// What the call means.
    Map,
    /// Whether it may be.
    Decide,
}

/// How a reload ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// A new snapshot is in force.
    Success,
    /// Nothing had changed.
    Unchanged,
    /// The change was refused, and the last good snapshot stays.
    Failure,
}

impl Door {
    const ALL: [Self; 5] = [
        Self::ExtAuthz,
        Self::Api,
        Self::ForwardAuth,
        Self::Sts,
        Self::PodCredentials,
    ];

    /// The value of the label `door`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::ExtAuthz => "ext_authz",
            Self::Api => "api",
            Self::ForwardAuth => "forward_auth",
            Self::Sts => "sts",
            Self::PodCredentials => "pod_credentials",
        }
    }
}

impl Stage {
    const ALL: [Self; 3] = [Self::Authenticate, Self::Map, Self::Decide];

    /// The value of the label `stage`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Authenticate => "authenticate",
            Self::Map => "map",
            Self::Decide => "decide",
        }
    }
}

impl Reload {
    const ALL: [Self; 3] = [Self::Success, Self::Unchanged, Self::Failure];

    /// The value of the label `result`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Unchanged => "unchanged",
            Self::Failure => "failure",
        }
    }
}

/// How an attempt to fetch keys or a review ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// It brought what was asked for.
    Success,
    /// It did not, and what was at hand stays.
    Failure,
}

impl Fetch {
    const ALL: [Self; 2] = [Self::Success, Self::Failure];

    /// The value of the label `result`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }
}

/// What became of a record of the decision log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logged {
    /// It was written.
    Written,
    /// It was lost: there was no room, or it could not be written.
    Dropped,
    /// It is an allow that the settings leave out.
    SampledOut,
}

impl Logged {
    const ALL: [Self; 3] = [Self::Written, Self::Dropped, Self::SampledOut];

    /// The value of the label `result`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Dropped => "dropped",
            Self::SampledOut => "sampled_out",
        }
    }
}

/// By what a caller was, or was not, authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// A signature.
    SigV4,
    /// A session token without a signature.
    SessionToken,
    /// A token of a registered issuer.
    Jwt,
    /// A client certificate.
    Mtls,
    /// Nothing.
    None,
}

impl Method {
    const ALL: [Self; 5] = [
        Self::SigV4,
        Self::SessionToken,
        Self::Jwt,
        Self::Mtls,
        Self::None,
    ];

    /// The value of the label `method`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::SigV4 => "sigv4",
            Self::SessionToken => "session_token",
            Self::Jwt => "jwt",
            Self::Mtls => "mtls",
            Self::None => "none",
        }
    }
}
