//! The README: what it prints is what happens.

#![expect(
    clippy::disallowed_methods,
    reason = "the test reads what is checked in"
)]

use crate::support::http::try_send;
use crate::support::{eventually, parts};
use sidegate::config::SETTINGS;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const README: &str = include_str!("../README.md");

/// The blocks of shell commands under a heading.
fn blocks(heading: &str) -> Vec<String> {
    let (_, section) = README.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    section
        .split("```sh\n")
        .skip(1)
        .map(|block| block.split("```").next().unwrap().to_owned())
        .collect()
}

/// A shell with everything that it started.
struct Shell(Child);

impl Shell {
    fn start(script: &str) -> Self {
        let child = Command::new("bash")
            .args(["-c", script])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let group = rustix::process::Pid::from_child(&self.0);
        // A process that leads no group is ended alone.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::TERM);
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn answers(port: u16, path: &str) -> bool {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    try_send(address, "GET", path, &[]).is_some_and(|reply| reply.status < 500)
}

#[test]
fn the_tour_works_as_it_is_printed() {
    let Some(envoy) = parts::envoy("the_tour_works_as_it_is_printed") else {
        return;
    };
    let tour = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tour");
    let _ = std::fs::remove_dir_all(&tour);
    for port in [9191, 9192, 9193, 9901, 10000, 8081] {
        let free = std::net::TcpListener::bind(("127.0.0.1", port));
        assert!(free.is_ok(), "the tour needs port {port}");
    }
    // The program and Envoy as they are here; all else is as printed.
    let program = env!("CARGO_BIN_EXE_sidegate");
    let blocks: Vec<String> = blocks("Five minutes with a real Envoy")
        .iter()
        .map(|block| {
            block
                .replace("cargo run --release --", program)
                .replace("target/release/sidegate", program)
                .replace(
                    "target/tour/.envoy/bin/envoy ",
                    &format!("{} --use-dynamic-base-id ", envoy.display()),
                )
                .lines()
                .filter(|line| !line.contains("pip install"))
                .collect::<Vec<_>>()
                .join("\n")
        })
        .collect();
    let [first, second, third @ ..] = blocks.as_slice() else {
        panic!("three terminals");
    };
    let _sidegate = Shell::start(first);
    eventually("readiness", || answers(9193, "/readyz").then_some(()));
    let _envoy = Shell::start(second);
    eventually("Envoy", || answers(10000, "/").then_some(()));
    eventually("the upstream", || answers(8081, "/").then_some(()));
    let output = Command::new("bash")
        .args(["-c", &third.join("\n")])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let expected: Vec<&str> = third
        .iter()
        .flat_map(|block| block.lines())
        .filter(|line| line.starts_with("ask "))
        .map(|line| line.split("# ").nth(1).unwrap().split(':').next().unwrap())
        .collect();
    let statuses: Vec<&str> = told
        .lines()
        .filter(|line| line.len() == 3 && line.bytes().all(|byte| byte.is_ascii_digit()))
        .collect();
    assert_eq!(statuses, expected, "{told}");
    for text in [
        "because no identity-based policy allows the orders:GetOrder action",
        "\"status\":\"failed\"",
        "read-orders.json:12:17 DOC-17",
        "error[DOC-17]: `Effect` is exactly `Allow` or `Deny`",
        "exit status 3",
        "\"reason\":\"explicit_deny\"",
        "exit status 4",
    ] {
        assert!(told.contains(text), "no `{text}` in:\n{told}");
    }
}

#[test]
fn the_quickstart_prints_commands_that_work() {
    let Some(grpcurl) = parts::grpcurl("the_quickstart_prints_commands_that_work") else {
        return;
    };
    let mut server = Command::new(env!("CARGO_BIN_EXE_sidegate"))
        .args(["serve", "--quickstart"])
        .env("SIDEGATE_DECISIONS_ADDRESS", "127.0.0.1:0")
        .env("SIDEGATE_HTTP_ADDRESS", "127.0.0.1:0")
        .env("SIDEGATE_ADMIN_ADDRESS", "127.0.0.1:0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let guide: Vec<String> = lines
        .map_while(Result::ok)
        .take_while(|line| !line.starts_with("Ctrl-C"))
        .skip_while(|line| !line.starts_with("# Tokens"))
        .collect();
    let _server = Shell(server);
    let path = format!(
        "{}:{}",
        grpcurl.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let output = Command::new("bash")
        .args(["-e", "-c", &guide.join("\n")])
        .env("PATH", path)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n{stderr}");
    let expected: Vec<&str> = guide
        .iter()
        .filter(|line| line.starts_with("ask \""))
        .map(|line| line.split("# ").nth(1).unwrap().split(':').next().unwrap())
        .collect();
    let statuses: Vec<&str> = told
        .lines()
        .filter_map(|line| line.strip_prefix("HTTP/1.1 "))
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(statuses, expected, "{told}");
    for text in [
        "\"key\": \"x-sidegate-principal\"",
        "\"decision\": \"ALLOW\"",
        "\"users\":2",
        "sidegate_decisions_total{door=\"ext_authz\",outcome=\"allow\"} 1",
    ] {
        assert!(told.contains(text), "no `{text}` in:\n{told}");
    }
}

#[test]
fn every_setting_stands_in_the_readme_with_its_default() {
    for setting in SETTINGS {
        let default = match setting.default {
            "" => String::new(),
            text => format!("`{text}`"),
        };
        let row = format!("| `{}` | {default}", setting.path);
        assert!(README.contains(row.trim_end()), "no row `{row}`");
    }
}

#[test]
fn every_path_of_the_readme_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let links = README.split("](").skip(1);
    for link in links.map(|rest| rest.split(')').next().unwrap()) {
        assert!(root.join(link).exists(), "{link}");
    }
}
