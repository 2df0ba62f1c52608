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
use std::sync::{Mutex, MutexGuard, PoisonError};

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

/// The ports that both tours use as printed, so that one is walked after the other.
static PORTS: Mutex<()> = Mutex::new(());

/// Three terminals of the README.
struct Tour {
    blocks: Vec<String>,
    _servers: Vec<Shell>,
    _ports: MutexGuard<'static, ()>,
}

impl Tour {
    /// Opens the first two terminals. The programs are as they are here; all else is as printed.
    fn start(heading: &str, directory: &str, programs: &[(&str, String)]) -> Self {
        let ports = PORTS.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
        let _ = std::fs::remove_dir_all(&directory);
        for port in [9191, 9192, 9193, 9901, 10000, 8081] {
            let free = std::net::TcpListener::bind(("127.0.0.1", port));
            assert!(free.is_ok(), "the tour needs port {port}");
        }
        let program = env!("CARGO_BIN_EXE_sidegate");
        let blocks = blocks(heading).into_iter().map(|block| {
            let mut block = block
                .replace("cargo run --release --", program)
                .replace("target/release/sidegate", program);
            for (printed, here) in programs {
                block = block.replace(printed, here);
            }
            let lines = block.lines().filter(|line| !line.contains("pip install"));
            lines.collect::<Vec<_>>().join("\n")
        });
        let mut blocks: Vec<String> = blocks.collect();
        let rest = blocks.split_off(2);
        assert!(!rest.is_empty(), "three terminals");
        let first = Shell::start(&blocks[0]);
        eventually("readiness", || answers(9193, "/readyz").then_some(()));
        let second = Shell::start(&blocks[1]);
        eventually("Envoy", || answers(10000, "/").then_some(()));
        eventually("the upstream", || answers(8081, "/").then_some(()));
        Self {
            blocks: rest,
            _servers: vec![second, first],
            _ports: ports,
        }
    }

    /// What the third terminal prints.
    fn walk(&self) -> String {
        let output = Command::new("bash")
            .args(["-c", &self.blocks.join("\n")])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

#[test]
fn the_tour_works_as_it_is_printed() {
    let Some(envoy) = parts::envoy("the_tour_works_as_it_is_printed") else {
        return;
    };
    let envoy = format!("{} --use-dynamic-base-id ", envoy.display());
    let programs = [("target/tour/.envoy/bin/envoy --use-dynamic-base-id ", envoy)];
    let tour = Tour::start("Five minutes with a real Envoy", "target/tour", &programs);
    let told = tour.walk();
    let expected: Vec<&str> = tour
        .blocks
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
fn the_tour_with_clients_of_aws_works_as_it_is_printed() {
    let test = "the_tour_with_clients_of_aws_works_as_it_is_printed";
    let (Some(envoy), Some(python)) = (parts::envoy(test), parts::python(test)) else {
        return;
    };
    let aws = python.with_file_name("aws");
    let programs = [
        ("python3 -m venv target/aws/tools", String::new()),
        (
            "target/aws/tools/bin/envoy --use-dynamic-base-id ",
            format!("{} --use-dynamic-base-id ", envoy.display()),
        ),
        ("target/aws/tools/bin/python", python.display().to_string()),
        ("target/aws/tools/bin/aws", aws.display().to_string()),
    ];
    let tour = Tour::start(
        "Your own S3, for stock AWS clients",
        "target/aws",
        &programs,
    );
    let told = tour.walk();
    let mut rest = told.as_str();
    for text in [
        "make_bucket: photos",
        "upload: ./README.md to s3://photos/public/notes.md",
        "notes.md",
        "(AccessDenied) when calling the PutObject operation: User: \
         arn:aws:iam::210000000001:user/ben is not authorized to perform: s3:PutObject",
        "because no identity-based policy allows the s3:PutObject action",
        "with an explicit deny in an identity-based policy",
        "(SignatureDoesNotMatch) when calling the ListObjectsV2 operation",
        "(AccessDeniedException) when calling the GetItem operation",
        "# Sidegate",
    ] {
        let (_, after) = rest
            .split_once(text)
            .unwrap_or_else(|| panic!("no `{text}` where it belongs in:\n{told}"));
        rest = after;
    }
}

#[test]
fn the_tour_of_temporary_credentials_works_as_it_is_printed() {
    let test = "the_tour_of_temporary_credentials_works_as_it_is_printed";
    let Some(python) = parts::python(test) else {
        return;
    };
    let ports = PORTS.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/sts");
    let _ = std::fs::remove_dir_all(&directory);
    let aws = python.with_file_name("aws").display().to_string();
    let blocks = blocks("Temporary credentials").into_iter().map(|block| {
        let block = block
            .replace("cargo run --release --", env!("CARGO_BIN_EXE_sidegate"))
            .replace("target/release/sidegate", env!("CARGO_BIN_EXE_sidegate"))
            .replace("target/sts/tools/bin/aws", &aws);
        let lines = block.lines().filter(|line| !line.contains("pip install"));
        lines.collect::<Vec<_>>().join("\n")
    });
    let blocks: Vec<String> = blocks.collect();
    let [first, second] = blocks.as_slice() else {
        panic!("two terminals");
    };
    let server = Shell::start(first);
    eventually("readiness", || answers(9193, "/readyz").then_some(()));
    let output = Command::new("bash")
        .args(["-c", second])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let mut rest = &*told;
    for text in [
        "(AccessDenied) when calling the AssumeRole operation",
        "\"principal\": \"arn:aws:iam::210000000001:role/reader\"",
        "\"team\": \"research\"",
        "accepted until ",
        "the token is refused (revoked_token)",
        "exit status 1",
    ] {
        let (_, after) = rest
            .split_once(text)
            .unwrap_or_else(|| panic!("no `{text}` where it belongs in:\n{told}"));
        rest = after;
    }
    drop(server);
    drop(ports);
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
        "sidegate_decisions_total{door=\"ext_authz\",outcome=\"allow\",reason=\"allowed\"} 1",
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
fn every_link_of_the_readme_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let links = README.split("](").skip(1);
    let headings = README.lines().filter(|line| line.starts_with('#'));
    let anchors: Vec<String> = headings
        .map(|line| line.trim_start_matches('#').trim().to_lowercase())
        .map(|heading| format!("#{}", heading.replace(' ', "-")))
        .collect();
    for link in links.map(|rest| rest.split(')').next().unwrap()) {
        let is_there = anchors.iter().any(|anchor| anchor == link) || root.join(link).exists();
        assert!(is_there, "{link}");
    }
}
