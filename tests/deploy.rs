//! What is shipped for others to install: charts, recipes, rules, the image.

#![expect(clippy::disallowed_methods, reason = "the tests write what is read")]

mod image;
mod sidecar;

use crate::support::http::send;
use crate::support::sidegate::Sidegate;
use crate::support::{eventually, parts};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const PROGRAM: &str = env!("CARGO_BIN_EXE_sidegate");

/// Runs a script of ours; gives what it said, once it has ended well.
#[track_caller]
fn script(python: &Path, script: &str, arguments: &[&str]) -> String {
    let output = run_script(python, script, arguments);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(
        output.status.success(),
        "{script} {arguments:?}\n{out}\n{err}"
    );
    out
}

fn run_script(python: &Path, script: &str, arguments: &[&str]) -> Output {
    Command::new(python)
        .arg("-B")
        .arg(Path::new(ROOT).join(script))
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn the_charts_render_into_what_kubernetes_takes() {
    let Some(python) = parts::python("the_charts_render_into_what_kubernetes_takes") else {
        return;
    };
    let out = tempfile::tempdir().unwrap();
    let settings = out.path().join("settings.yaml");
    let printed = Command::new(PROGRAM)
        .args(["serve", "--print-config"])
        .output()
        .unwrap();
    std::fs::write(&settings, printed.stdout).unwrap();
    let told = script(
        &python,
        "tests/charts/check.py",
        &[
            "--out",
            &shown(out.path()),
            "--node-modules",
            &shown(&parts::node_modules(&python)),
            "--settings",
            &shown(&settings),
        ],
    );
    assert!(told.contains(" 0 failed"), "{told}");
    // The settings of each are such as the program takes.
    let mut read = 0;
    for entry in std::fs::read_dir(out.path().join("rendered/service")).unwrap() {
        let rendered = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let objects: serde_json::Value = serde_json::from_str(&rendered).unwrap();
        for object in objects.as_array().unwrap() {
            let Some(config) = object.pointer("/data/config.yaml") else {
                continue;
            };
            let file = out.path().join("config.yaml");
            std::fs::write(&file, config.as_str().unwrap()).unwrap();
            let printed = Command::new(PROGRAM)
                .args(["serve", "--print-config", "--config"])
                .arg(&file)
                .output()
                .unwrap();
            assert!(
                printed.status.success(),
                "{config}\n{}",
                text(&printed.stderr)
            );
            read += 1;
        }
    }
    assert!(read > 10, "{read}");
}

#[test]
fn the_chart_ships_the_rules_and_dashboards_as_they_are() {
    let of = |path: &str| Path::new(ROOT).join(path);
    let names = |path: &str, end: &str| -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(of(path))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(end))
            .collect();
        names.sort();
        names
    };
    let same = |one: &str, other: &str| {
        let read = |path| std::fs::read_to_string(of(path)).unwrap();
        assert_eq!(read(one), read(other), "copy {one} to {other}");
    };
    same(
        "deploy/monitoring/rules/sidegate.rules.yaml",
        "charts/sidegate/files/rules.yaml",
    );
    let (from, to) = (
        "deploy/monitoring/dashboards",
        "charts/sidegate/files/dashboards",
    );
    assert_eq!(names(from, ".json"), names(to, ".json"));
    assert!(!names(from, ".json").is_empty());
    for name in names(from, ".json") {
        same(&format!("{from}/{name}"), &format!("{to}/{name}"));
    }
}

#[test]
fn the_recipes_are_what_their_proxies_and_meshes_read() {
    let test = "the_recipes_are_what_their_proxies_and_meshes_read";
    let (Some(python), Some(envoy), Some(nginx), Some(caddy)) = (
        parts::python(test),
        parts::envoy(test),
        parts::nginx(test),
        parts::caddy(test),
    ) else {
        return;
    };
    let out = tempfile::tempdir().unwrap();
    script(
        &python,
        "tests/recipes/check.py",
        &[
            "--out",
            &shown(out.path()),
            "--node-modules",
            &shown(&parts::node_modules(&python)),
            "--envoy",
            &shown(&envoy),
            "--nginx",
            &shown(&nginx),
            "--caddy",
            &shown(&caddy),
        ],
    );
}

/// Runs a recipe with its real proxy.
fn recipe(test: &str, proxy: &str, program: Option<PathBuf>) {
    let (Some(python), Some(program)) = (parts::python(test), program) else {
        return;
    };
    let out = tempfile::tempdir().unwrap();
    script(
        &python,
        "tests/recipes/proxy.py",
        &[
            "--proxy",
            proxy,
            "--program",
            &shown(&program),
            "--sidegate",
            PROGRAM,
            "--out",
            &shown(out.path()),
        ],
    );
}

#[test]
fn the_recipe_for_nginx_holds() {
    let test = "the_recipe_for_nginx_holds";
    recipe(test, "nginx", parts::nginx(test));
}

#[test]
fn the_recipe_for_caddy_holds() {
    let test = "the_recipe_for_caddy_holds";
    recipe(test, "caddy", parts::caddy(test));
}

#[test]
fn the_recipe_for_traefik_holds() {
    let test = "the_recipe_for_traefik_holds";
    recipe(test, "traefik", parts::traefik(test));
}

#[test]
fn the_recipe_for_envoy_holds() {
    let test = "the_recipe_for_envoy_holds";
    recipe(test, "envoy", parts::envoy(test));
}

/// A server of which every metric has been seen.
fn watched() -> (Sidegate, TempDir) {
    let keys = tempfile::tempdir().unwrap();
    let set = keys.path().join("keys");
    let made = crate::cli::run(&["keys", "generate", &shown(&set), "--trust-domain", "test"]);
    crate::cli::told(&made, 0);
    // As after a rotation: the old keys end.
    let file = set.join("issuer/token-keys.json");
    let mut read: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    for kind in ["readKeys", "signingKeys"] {
        for key in read[kind].as_array_mut().unwrap() {
            key["notAfter"] = "2100-01-01T00:00:00Z".into();
        }
    }
    let text = read.to_string();
    let bundle = Path::new(ROOT).join("deploy/aws/bundle");
    let secrets = [("ana", "x"), ("ben", "x"), ("token-keys.json", &text)];
    let sidegate = Sidegate::start_on(&bundle, &secrets, &[]);
    let headers = [("authorization", "Bearer nonsense")];
    send(
        sidegate.http,
        "GET",
        "/authorize/envoy/v1/orders/7",
        &headers,
    );
    (sidegate, keys)
}

#[test]
fn rules_dashboards_and_runbooks_fit_together() {
    let test = "rules_dashboards_and_runbooks_fit_together";
    let (Some(python), Some(promtool)) = (parts::python(test), parts::promtool(test)) else {
        return;
    };
    let (sidegate, _keys) = watched();
    let out = tempfile::tempdir().unwrap();
    let scrape = out.path().join("scrape");
    std::fs::write(&scrape, sidegate.admin("/metrics").body).unwrap();
    script(
        &python,
        "tests/monitoring/check.py",
        &[
            "--promtool",
            &shown(&promtool),
            "--metrics",
            &shown(&scrape),
            "--out",
            &shown(out.path()),
        ],
    );
}

/// Waits until a real Prometheus that scrapes `sidegate` fires an alert.
fn fires(python: &Path, promtool: &Path, sidegate: &Sidegate, alert: &str, seconds: &str) -> bool {
    let out = tempfile::tempdir().unwrap();
    let output = run_script(
        python,
        "tests/monitoring/fire.py",
        &[
            "--prometheus",
            &shown(&promtool.with_file_name("prometheus")),
            "--target",
            &sidegate.admin.to_string(),
            "--alert",
            alert,
            "--timeout",
            seconds,
            "--out",
            &shown(out.path()),
        ],
    );
    let (said, err) = (text(&output.stdout), text(&output.stderr));
    assert!(said.contains("watching"), "{said}\n{err}");
    output.status.success()
}

#[test]
fn a_real_prometheus_fires_when_a_bundle_is_refused() {
    let test = "a_real_prometheus_fires_when_a_bundle_is_refused";
    let (Some(python), Some(promtool)) = (parts::python(test), parts::promtool(test)) else {
        return;
    };
    let sidegate = Sidegate::start();
    let alert = "SidegatePolicyReloadFailing";
    assert!(
        !fires(&python, &promtool, &sidegate, alert, "8"),
        "while all is well"
    );
    sidegate.edit(
        "identities/read-orders.json",
        "\"Effect\": \"Deny\"",
        "\"Effect\": \"deny\"",
    );
    eventually("a refused bundle", || {
        (sidegate.metric("sidegate_policy_reload_failed") > 0.0).then_some(())
    });
    assert!(fires(&python, &promtool, &sidegate, alert, "60"));
}
