//! Modules stand on floors, and import only from floors below their own.

#![expect(clippy::disallowed_methods, reason = "the test reads the source")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The floors, from the ground up.
const FLOORS: &[(u8, &[&str])] = &[
    (0, &["cache", "model"]),
    (1, &["policy"]),
    (2, &["authn", "engine", "mapping"]),
    (3, &["clock", "snapshot", "telemetry"]),
    (
        4,
        &["loader", "oidc", "pdp", "proto", "simulate", "sts_client"],
    ),
    (
        5,
        &[
            "admin",
            "api",
            "ext_authz",
            "forward_auth",
            "pod_credentials",
            "sts",
        ],
    ),
    (6, &["config"]),
    (7, &["server"]),
    (8, &["cli"]),
];

/// What no module on the pure floors may name: waiting, I/O, clocks, chance, logging.
const IMPURE: &[&str] = &[
    "async ",
    "std::env",
    "std::fs",
    "std::io",
    "std::net::Tcp",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "tokio",
    "tracing::",
    "uuid",
];

fn floors() -> BTreeMap<&'static str, u8> {
    FLOORS
        .iter()
        .flat_map(|(floor, modules)| modules.iter().map(|module| (*module, *floor)))
        .collect()
}

/// Every source file with the module of the top level that it belongs to.
fn sources() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut pending = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let below = path.strip_prefix(&root).unwrap();
                let top = below.components().next().unwrap().as_os_str();
                let module = top.to_str().unwrap().trim_end_matches(".rs").to_owned();
                let text = std::fs::read_to_string(&path).unwrap();
                sources.push((module, path, text));
            }
        }
    }
    sources.retain(|(module, ..)| module != "lib" && module != "main");
    sources
}

/// Code without comments, and without what stands behind `#[cfg(test)]`.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    code.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
}

#[test]
fn every_module_has_its_floor() {
    let floors = floors();
    let mut found: Vec<String> = sources().into_iter().map(|(module, ..)| module).collect();
    found.sort();
    found.dedup();
    let mut known: Vec<&str> = floors.keys().copied().collect();
    known.sort_unstable();
    assert_eq!(found, known);
}

#[test]
fn modules_import_from_floors_below_their_own() {
    let floors = floors();
    let mut wrong = Vec::new();
    for (module, path, text) in sources() {
        let own = floors[module.as_str()];
        for line in code(&text) {
            for (_, behind) in line
                .match_indices("crate::")
                .map(|(at, m)| line.split_at(at + m.len()))
            {
                let name: String = behind
                    .chars()
                    .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                    .collect();
                assert!(
                    !name.is_empty(),
                    "{}: `use crate::{{…}}`: {line}",
                    path.display()
                );
                let allowed =
                    name == module || floors.get(name.as_str()).is_some_and(|floor| *floor < own);
                if !allowed {
                    wrong.push(format!("{}: {}", path.display(), line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_lower_floors_are_pure() {
    let floors = floors();
    let mut wrong = Vec::new();
    for (module, path, text) in sources() {
        if floors[module.as_str()] > 2 || path.ends_with("test_keys.rs") {
            continue;
        }
        for line in code(&text) {
            wrong.extend(
                IMPURE
                    .iter()
                    .filter(|word| line.contains(*word))
                    .map(|word| format!("{}: `{word}` in {}", path.display(), line.trim())),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_lint_is_switched_off_without_a_reason() {
    let mut wrong = Vec::new();
    for (module, path, text) in sources() {
        // Generated, with the attributes of its generator.
        if module == "proto" {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("#[allow(")
                || line.trim_start().starts_with("#![allow(")
            {
                wrong.push(format!("{}:{}", path.display(), number + 1));
            }
        }
        if text.contains("expect(") {
            for attribute in text.split("#[expect(").skip(1) {
                let attribute = attribute.split(']').next().unwrap_or_default();
                if !attribute.contains("reason = ") {
                    wrong.push(format!("{}: {attribute}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
