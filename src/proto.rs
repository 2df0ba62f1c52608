//! The gRPC types, generated from the vendored definitions in `proto/`.
//!
//! Floor 4. Nothing in here is written by hand but this map; `tests/proto.rs` generates the files
//! anew and compares.

#![expect(missing_docs, reason = "generated")]
#![expect(clippy::pedantic, reason = "generated")]

/// The definitions as a serialised `FileDescriptorSet`, for server reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!("proto/descriptors.bin");

pub mod envoy {
    pub mod config {
        pub mod core {
            pub mod v3 {
                include!("proto/envoy.config.core.v3.rs");
            }
        }
    }
    pub mod r#type {
        pub mod v3 {
            include!("proto/envoy.r#type.v3.rs");
        }
    }
    pub mod service {
        pub mod auth {
            pub mod v3 {
                include!("proto/envoy.service.auth.v3.rs");
            }
        }
    }
}

pub mod google {
    pub mod rpc {
        include!("proto/google.rpc.rs");
    }
}

pub mod sidegate {
    pub mod v1 {
        include!("proto/sidegate.v1.rs");
    }
}
