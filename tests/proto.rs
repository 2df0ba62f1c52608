//! The generated protocol types are those that the vendored definitions give.

#![expect(
    clippy::disallowed_methods,
    reason = "the test reads what is checked in"
)]

use std::path::Path;

const DEFINITIONS: &[&str] = &[
    "envoy/service/auth/v3/external_auth.proto",
    "sidegate/v1/authorization.proto",
];

/// The generated files, by the name under which they are checked in.
fn generate() -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    let descriptors = protox::compile(DEFINITIONS, [root]).unwrap();
    let out = tempfile::tempdir().unwrap();
    tonic_prost_build::configure()
        .out_dir(out.path())
        .bytes(".envoy.config.core.v3.HeaderValue.raw_value")
        .bytes(".envoy.service.auth.v3.AttributeContext.HttpRequest.raw_body")
        .build_client(true)
        .build_server(true)
        .compile_fds(descriptors.clone())
        .unwrap();
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(out.path())
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read(entry.path()).unwrap())
        })
        .collect();
    files.push((
        "descriptors.bin".to_owned(),
        prost::Message::encode_to_vec(&descriptors),
    ));
    files.sort();
    files
}

/// Set `SIDEGATE_UPDATE_PROTO=1` to write the files anew after a change of the definitions.
#[test]
fn generated_types_match_the_definitions() {
    let checked_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/proto");
    for (name, bytes) in generate() {
        let path = checked_in.join(&name);
        if std::env::var_os("SIDEGATE_UPDATE_PROTO").is_some() {
            std::fs::create_dir_all(&checked_in).unwrap();
            std::fs::write(&path, &bytes).unwrap();
        }
        let current = std::fs::read(&path).unwrap_or_default();
        assert!(
            current == bytes,
            "`{}` is not what proto/ gives",
            path.display()
        );
    }
}
