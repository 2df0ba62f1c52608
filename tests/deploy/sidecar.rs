//! The sidecar that the chart renders, started as it stands there: its arguments, its variables, its
//! mounts and its probes, without capabilities, on a root that nobody can write to.

use super::{PROGRAM, script, shown};
use crate::reload::{Contents, publish};
use crate::support::envoy::{Envoy, Neighbours};
use crate::support::http::send_bytes;
use crate::support::signer::{ToSign, bytes, sha256};
use crate::support::upstream::Upstream;
use crate::support::{eventually, parts};
use serde_json::Value;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

const SECRET: &str = "wJalrXUtnFEMIEXAMPLEKEYEXAMPLEKEYEXAMPLE";

/// A pod with nothing but its sidecar.
struct Pod {
    child: Child,
    around: TempDir,
    container: Value,
}

impl Pod {
    fn start(bubblewrap: &Path, rendered: &Value) -> Self {
        let around = tempfile::tempdir().unwrap();
        let pod = &rendered["pod"];
        let containers = pod["initContainers"].as_array().unwrap();
        let container = containers
            .iter()
            .find(|container| container["name"] == "sidegate")
            .unwrap()
            .clone();
        for volume in pod["volumes"].as_array().unwrap() {
            let directory = around.path().join(volume["name"].as_str().unwrap());
            fs::create_dir(&directory).unwrap();
            if let Some(name) = volume["configMap"]["name"].as_str()
                && let Some(files) = rendered["configMaps"][name].as_object()
            {
                publish_all(&directory, 0, files);
            }
            if volume["secret"].is_object() {
                fs::write(directory.join("ana"), SECRET).unwrap();
            }
        }
        let security = &container["securityContext"];
        assert_eq!(security["readOnlyRootFilesystem"], true);
        let mut command = Command::new(bubblewrap);
        command
            .args([
                "--unshare-user",
                "--unshare-net",
                "--unshare-pid",
                "--unshare-ipc",
            ])
            .args(["--uid", &security["runAsUser"].to_string()])
            .args(["--gid", &security["runAsGroup"].to_string()])
            .args([
                "--cap-drop",
                "ALL",
                "--die-with-parent",
                "--new-session",
                "--clearenv",
            ])
            // What the image does not need: the program of the tests is not linked statically.
            .args(["--ro-bind", "/usr", "/usr"])
            .args([
                "--symlink",
                "usr/lib",
                "/lib",
                "--symlink",
                "usr/lib64",
                "/lib64",
            ])
            .args([
                "--ro-bind",
                PROGRAM,
                "/sidegate",
                "--proc",
                "/proc",
                "--dev",
                "/dev",
            ]);
        for mount in container["volumeMounts"].as_array().unwrap() {
            let from = around.path().join(mount["name"].as_str().unwrap());
            let is_read_only = mount["readOnly"] == true;
            command
                .arg(if is_read_only { "--ro-bind" } else { "--bind" })
                .arg(from)
                .arg(mount["mountPath"].as_str().unwrap());
        }
        for variable in container["env"].as_array().unwrap() {
            let (name, value) = (&variable["name"], &variable["value"]);
            command.args(["--setenv", name.as_str().unwrap(), value.as_str().unwrap()]);
        }
        let arguments = container["args"].as_array().unwrap().iter();
        command
            .args(["--remount-ro", "/", "--", "/sidegate"])
            .args(arguments.map(|argument| argument.as_str().unwrap()));
        let log = fs::File::create(around.path().join("log")).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap();
        Self {
            child,
            around,
            container,
        }
    }

    /// Where the volume of a mount is.
    fn volume(&self, mounted: &str) -> PathBuf {
        let mounts = self.container["volumeMounts"].as_array().unwrap();
        let mount = mounts.iter().find(|mount| mount["mountPath"] == mounted);
        self.around
            .path()
            .join(mount.unwrap()["name"].as_str().unwrap())
    }

    /// Whether a probe of the container succeeds, asked in the network of the pod as the kubelet does.
    fn probe(&self, name: &str) -> bool {
        let get = &self.container[name]["httpGet"];
        let ports = self.container["ports"].as_array().unwrap();
        let port = ports
            .iter()
            .find(|port| port["name"] == get["port"])
            .unwrap();
        let Some(inside) = self.inside() else {
            return false;
        };
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &inside, "--net", "--", PROGRAM, "healthcheck"])
            .args(["--address", &format!("127.0.0.1:{}", port["containerPort"])]);
        match get["path"].as_str().unwrap() {
            "/livez" => command.arg("--live"),
            path => {
                assert_eq!(path, "/readyz");
                &mut command
            }
        };
        command.output().unwrap().status.success()
    }

    /// The process id, from outside, of what runs in the sandbox.
    fn inside(&self) -> Option<String> {
        let child = |parent: &str| {
            let path = format!("/proc/{parent}/task/{parent}/children");
            let children = fs::read_to_string(path).ok()?;
            Some(children.split_whitespace().next()?.to_owned())
        };
        child(&child(&self.child.id().to_string())?)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.around.path().join("log")).unwrap()
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn publish_all(directory: &Path, generation: usize, files: &serde_json::Map<String, Value>) {
    let contents: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str().unwrap().as_bytes()))
        .collect();
    let contents: Contents<'_> = &contents;
    publish(directory, generation, contents);
}

fn ask(envoy: &Envoy, method: &str) -> u16 {
    let empty = sha256(b"");
    let host = format!("127.0.0.1:{}", envoy.ingress.port());
    let signed = ToSign {
        id: "AKIAEXAMPLEANA000001",
        secret: SECRET,
        service: "orders",
        method,
        host: &host,
        target: "/v1/orders/7",
        canonical_path: "/v1/orders/7",
        canonical_query: "",
        headers: vec![("x-amz-content-sha256", &empty, true)],
        payload: &empty,
        signs_host: true,
        signs_date: true,
    };
    let request = bytes(method, "/v1/orders/7", &signed.sign(), b"");
    send_bytes(envoy.ingress, &request).unwrap().status
}

#[test]
fn a_rendered_sidecar_serves_envoy_and_follows_its_config_map() {
    let test = "a_rendered_sidecar_serves_envoy_and_follows_its_config_map";
    let (Some(python), Some(bubblewrap), Some(envoy)) = (
        parts::python(test),
        parts::bubblewrap(test),
        parts::envoy(test),
    ) else {
        return;
    };
    let out = tempfile::tempdir().unwrap();
    let arguments = ["--out", &shown(out.path()), "--dump", "app/default"];
    script(&python, "tests/charts/check.py", &arguments);
    let rendered = fs::read_to_string(out.path().join("app-default.json")).unwrap();
    // The signer of the tests signs for this region.
    let rendered = rendered.replace("eu-1", "eu-west-1");
    let rendered: Value = serde_json::from_str(&rendered).unwrap();
    let mut pod = Pod::start(&bubblewrap, &rendered);
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        eventually(probe, || pod.probe(probe).then_some(()));
    }
    let status = fs::read_to_string(format!("/proc/{}/status", pod.inside().unwrap())).unwrap();
    assert!(status.contains("CapEff:\t0000000000000000"), "{status}");
    let upstream = Upstream::start();
    let socket = pod.volume("/run/sidegate").join("sidegate.sock");
    let neighbours = Neighbours {
        socket: &socket,
        upstream: upstream.address,
        grpc: None,
    };
    let envoy = Envoy::start(&envoy, neighbours, &[]);
    assert_eq!(ask(&envoy, "GET"), 200, "{}", pod.log());
    assert_eq!(ask(&envoy, "DELETE"), 403);
    // A new version of the ConfigMap, as the kubelet writes it.
    let bundle = pod.volume("/etc/sidegate/bundle");
    let maps = rendered["configMaps"].as_object().unwrap();
    let (_, files) = maps
        .iter()
        .find(|(name, _)| name.ends_with("bundle"))
        .unwrap();
    let mut files = files.as_object().unwrap().clone();
    for text in files.values_mut() {
        let changed = text.as_str().unwrap().replace(
            "Action: \"orders:GetOrder\"",
            "Action: \"orders:DeleteOrder\"",
        );
        *text = changed.into();
    }
    let before = pod.inside();
    publish_all(&bundle, 1, &files);
    eventually("the new policies", || {
        (ask(&envoy, "DELETE") == 200).then_some(())
    });
    assert_eq!(ask(&envoy, "GET"), 403);
    assert_eq!(pod.inside(), before, "without a restart");
    assert!(pod.child.try_wait().unwrap().is_none());
}
