//! Why a call means nothing that a policy could judge.

use super::{BodyFault, HostFault, PathFault, QueryFault};
use crate::model::HeaderFault;

/// Why a call has no action and resource. Every variant is a denial: [`is_malformed`] ones are the
/// caller's fault (400), [`Unmapped`] is a call that no service knows (403).
///
/// [`is_malformed`]: Self::is_malformed
/// [`Unmapped`]: Self::Unmapped
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// Two readers could read the path differently (rule 17).
    #[error("the path is ambiguous")]
    AmbiguousPath(#[source] PathFault),
    /// The authority names no one host.
    #[error("the host is malformed")]
    BadHost(#[source] HostFault),
    /// The method is not one in upper case.
    #[error("the method is not a word in upper case")]
    BadMethod,
    /// The query cannot be read, or not in one way (rule 18).
    #[error("the query is malformed")]
    BadQuery(#[source] QueryFault),
    /// A header that the route reads has not one readable value.
    #[error("the header `{name}` is malformed")]
    BadHeader {
        /// The header, as the route names it.
        name: Box<str>,
        /// What is wrong with it.
        #[source]
        fault: HeaderFault,
    },
    /// Beside a header that the route reads came one that some servers take for it: `x_y` for
    /// `x-y` (rule 15).
    #[error("the header `{name}` came in a spelling with underscores")]
    TwinHeader {
        /// The header, as the route names it.
        name: Box<str>,
    },
    /// A header that nobody knows under a name by which others change what a request does.
    #[error("the header `{name}` is not known, and could change what the request does")]
    UnknownHeader {
        /// The header.
        name: Box<str>,
    },
    /// A gRPC call whose path is not `/package.Service/Method`, or which is not a POST.
    #[error("a gRPC call is a POST to `/package.Service/Method`")]
    BadGrpcCall,
    /// The call does not name its operation as its protocol demands.
    #[error("the call names no operation in the form of its protocol")]
    BadOperation,
    /// The body has to be read, and cannot be.
    #[error("the body cannot be read")]
    BadBody(#[source] BodyFault),
    /// What the path captured makes no resource name.
    #[error("the path makes no resource name")]
    BadResource(#[source] ResourceFault),
    /// The service does not list the operation.
    #[error("`{operation}` is not listed in `operations` of the service `{service}`")]
    Unlisted {
        /// The operation.
        operation: Box<str>,
        /// The name of the service's document.
        service: Box<str>,
    },
    /// No route of any service matches the call.
    #[error("no service maps the call")]
    Unmapped,
}

/// Why captured values make no resource name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ResourceFault {
    /// The ARN would be over its limit (LIM-5).
    #[error("the ARN is too long")]
    TooLong,
    /// A value holds the text that separates it from the next one in the ARN.
    #[error("a value holds the text that ends it in the ARN")]
    Separator,
    /// It is no name of such a resource.
    #[error("the name is not one of such a resource")]
    NotAName,
    /// The text is no ARN.
    #[error("the text is not an ARN")]
    NotAnArn,
}

impl MappingError {
    /// One word of a closed set, for metrics and the decision log.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::AmbiguousPath(_) => "ambiguous_path",
            Self::BadHost(_) => "bad_host",
            Self::BadMethod => "bad_method",
            Self::BadQuery(_) => "bad_query",
            Self::BadHeader { .. } | Self::TwinHeader { .. } | Self::UnknownHeader { .. } => {
                "bad_header"
            }
            Self::BadGrpcCall => "bad_grpc_call",
            Self::BadOperation => "bad_operation",
            Self::BadBody(_) => "bad_body",
            Self::BadResource(_) => "bad_resource",
            Self::Unlisted { .. } | Self::Unmapped => "unmapped",
        }
    }

    /// Whether the call itself is at fault: 400 and not 403.
    #[must_use]
    pub const fn is_malformed(&self) -> bool {
        !matches!(self, Self::Unlisted { .. } | Self::Unmapped)
    }
}

impl ResourceFault {
    /// One word of a closed set, for metrics and the decision log.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Separator => "separator",
            Self::NotAName => "not_a_name",
            Self::NotAnArn => "not_an_arn",
        }
    }
}
