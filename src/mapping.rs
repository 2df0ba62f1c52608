//! The mapping: which action on which resource an HTTP or gRPC call means.
//!
//! Floor 2. Reads [`model`](crate::model) and [`policy`](crate::policy). A [`Table`] compiles the
//! routes of all services, and resolves a call by its method, host, path, query and headers.
//! [`Path`], [`Host`] and [`Query`] hold the one canonical form that all doors share.
//!
//! # Invariants
//!
//! - What two readers could read differently is refused, not guessed (rule 17 of the Envoy
//!   contract); a malformed part is never taken for an absent one.
//! - The meaning of a call never hangs on the order of routes or services: the narrowest route that
//!   matches decides, and where none is the narrowest the table does not compile.
//! - A value from a call is literal text in a resource name, and can neither end a component of an
//!   ARN nor run into another value.
//! - No route sets a condition key that Sidegate derives from facts.
//!
//! # How a call finds its route
//!
//! 1. The method must be in upper case; `CONNECT` and the target `*` are unmapped. A CORS preflight
//!    is a call like any other.
//! 2. Routes that are bound to the call's host go before routes for any host.
//! 3. A gRPC call finds gRPC routes only, and another call HTTP routes only. A route for a method
//!    goes before one for all methods of the service.
//! 4. Of the HTTP routes that match, the narrowest decides: literal before variable before rest, a
//!    method before `*`. `GET` does not cover `HEAD`, and where no route is written for `HEAD` a call
//!    by it is refused unless it means what the same call by `GET` does.
//! 5. A call that reached its route through a variable is refused if a server that ignores letter
//!    case, escapes within a segment or the slash at the end would have taken another route.
//! 6. A path of two segments whose first is a gRPC service of some route is a gRPC call, whatever
//!    its content type says.
//!
//! A slash at the end counts. `{Name...}` takes it in `raw` mode only; elsewhere the matcher must
//! end in a slash to match a path that does.
//!
//! # Findings
//!
//! | rule | what is wrong |
//! |---|---|
//! | `MAP-1` | the matcher cannot be read |
//! | `MAP-2` | a variable is named twice, or as one that the service fills |
//! | `MAP-3` | two routes match the same calls |
//! | `MAP-4` | two routes share calls, neither is the narrower, and no third one says what those mean |
//! | `MAP-5` | the ARN template cannot be read |
//! | `MAP-6` | nothing fills a variable of the template |
//! | `MAP-7` | a variable stands in front of the fifth colon of an ARN |
//! | `MAP-8` | two variables run together in an ARN |
//! | `MAP-9` | the resource type, or its parent, is not known |
//! | `MAP-10` | no account owns the resource |
//! | `MAP-11` | a context key is neither of the service's prefix nor declared |
//! | `MAP-12` | a context key comes from facts and cannot be set |
//! | `MAP-13` | the source of a context key cannot be read |
//! | `MAP-14` | a host is malformed, or not the service's |
//! | `MAP-15` | the action is of another service |
//! | `MAP-16` | a context key is set twice |
//! | `MAP-17` | the partition or region of the service cannot stand in an ARN |
//! | `MAP-18` | a service with a protocol has no host, or shares one with another |
//! | `MAP-19` | what is said of an operation cannot be read |

mod body;
mod catalogue;
mod conflict;
mod definition;
mod error;
mod host;
mod matcher;
mod meaning;
mod operations;
mod path;
mod query;
mod rule;
mod s3;
mod source;
mod table;
mod template;
mod trie;

pub use body::BodyFault;
pub use catalogue::{Described, Governed, NoSuchType, PolicySource};
pub use definition::MappedService;
pub use error::{MappingError, ResourceFault};
pub use host::{Host, HostFault};
pub use meaning::{Mapped, Target};
pub use path::{Path, PathFault, Segment};
pub use query::{Query, QueryFault};
pub use table::Table;
