"""What has to hold of every object that is rendered."""

from typing import Any

from engine import Object, Rendered, containers, pod_template

RECOMMENDED = {
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/version",
    "app.kubernetes.io/component",
    "app.kubernetes.io/part-of",
    "app.kubernetes.io/managed-by",
    "helm.sh/chart",
}
SELECTING = {"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"}
CLUSTER = {"ClusterRole", "ClusterRoleBinding"}

# What the restricted standard lets pods mount.
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def restricted(pod: Object) -> list[str]:
    """What of the restricted Pod Security Standard a pod breaks."""
    spec = pod["spec"]
    context = spec.get("securityContext", {})
    faults = [f"{key} is set" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    for volume in spec.get("volumes", []):
        faults += [f"a volume of {kind}" for kind in set(volume) - {"name"} - VOLUMES]
    for container in containers(pod):
        own = container.get("securityContext", {})

        def of(key: str) -> Any:
            return own.get(key, context.get(key))

        name = container["name"]
        if of("runAsNonRoot") is not True:
            faults.append(f"{name}: runAsNonRoot is not true")
        if of("runAsUser") == 0:
            faults.append(f"{name}: runs as root")
        if (of("seccompProfile") or {}).get("type") not in ("RuntimeDefault", "Localhost"):
            faults.append(f"{name}: no seccomp profile")
        if own.get("allowPrivilegeEscalation") is not False:
            faults.append(f"{name}: privileges may escalate")
        if own.get("privileged"):
            faults.append(f"{name}: privileged")
        capabilities = own.get("capabilities", {})
        if capabilities.get("drop") != ["ALL"] or set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
            faults.append(f"{name}: capabilities are kept")
        faults += [f"{name}: a port of the host" for p in container.get("ports", []) if p.get("hostPort")]
    return faults


def pod(template: Object) -> list[str]:
    """What is wrong with a pod beside its security."""
    spec = template["spec"]
    faults = []
    if spec.get("automountServiceAccountToken") is not False:
        faults.append("the token of the service account is mounted")
    if spec.get("securityContext", {}).get("fsGroup") != 65532:
        faults.append("no group owns its volumes")
    names = [v["name"] for v in spec.get("volumes", [])]
    mounted = [m["name"] for c in containers(template) for m in c.get("volumeMounts", [])]
    faults += [f"the volume {n} is there twice" for n in set(names) if names.count(n) > 1]
    faults += [f"{n} is mounted and no volume" for n in set(mounted) - set(names)]
    faults += [f"the volume {n} is mounted by nobody" for n in set(names) - set(mounted)]
    for container in containers(template):
        paths = [m["mountPath"] for m in container.get("volumeMounts", [])]
        name = container["name"]
        faults += [f"{name}: {p} is mounted twice" for p in set(paths) if paths.count(p) > 1]
        faults += [f"{name}: {m['name']} is mounted by subPath" for m in container.get("volumeMounts", []) if "subPath" in m]
        if name not in ("sidegate", "selftest"):
            continue
        if "cpu" in container.get("resources", {}).get("limits", {}):
            faults.append(f"{name}: a limit on CPU")
        if container["securityContext"].get("readOnlyRootFilesystem") is not True:
            faults.append(f"{name}: the root can be written")
        ports = {p["name"] for p in container.get("ports", [])}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = container.get(probe, {}).get("httpGet", {}).get("port")
            if name == "sidegate" and asked not in ports:
                faults.append(f"{name}: the {probe} asks the port {asked}")
        liveness = container.get("livenessProbe", {}).get("httpGet", {}).get("path")
        if name == "sidegate" and liveness != "/livez":
            faults.append(f"{name}: whether it is alive hangs on {liveness}")
    return faults


def selects(selector: Object, labels: Object) -> bool:
    return all(labels.get(k) == v for k, v in selector.items())


def selector(o: Object) -> Object | None:
    spec = o.get("spec", {})
    found = spec.get("podSelector" if o["kind"] == "NetworkPolicy" else "selector")
    if o["kind"] in ("Service", "PodMonitor") or found is None:
        return found if o["kind"] == "Service" else None
    return found["matchLabels"]


def objects(rendered: Rendered) -> list[str]:
    """What is wrong with the objects of one set of values."""
    faults = []
    hooks = [o for o in rendered.objects if "helm.sh/hook" in o["metadata"].get("annotations", {})]
    seen = set()
    for o in rendered.objects:
        who = f"{o['kind']} {o['metadata']['name']}"
        key = (o["kind"], o["metadata"]["name"])
        if key in seen:
            faults.append(f"{who}: is there twice")
        seen.add(key)
        missing = RECOMMENDED - set(o["metadata"].get("labels", {}))
        if missing:
            faults.append(f"{who}: lacks the labels {', '.join(sorted(missing))}")
        if ("namespace" in o["metadata"]) == (o["kind"] in CLUSTER):
            faults.append(f"{who}: its namespace")
        if o["kind"] not in CLUSTER and len(o["metadata"]["name"]) > 63:
            faults.append(f"{who}: the name is too long")
        if o["kind"] == "ServiceAccount" and o.get("automountServiceAccountToken") is not False:
            faults.append(f"{who}: its token is mounted")
        if o["kind"] == "ClusterRole" and o["rules"] != [
            {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]}
        ]:
            faults.append(f"{who}: grants more than reviews of tokens")

        template = pod_template(o)
        if template is not None:
            faults += [f"{who}: {f}" for f in restricted(template) + pod(template)]
            checksums = {k for k in template["metadata"].get("annotations", {}) if k.startswith("checksum/")}
            if checksums - {"checksum/config", "checksum/sidegate-config"}:
                faults.append(f"{who}: the checksums {', '.join(sorted(checksums))}")
            if o["kind"] != "Pod" and "helm.sh/chart" in template["metadata"]["labels"]:
                faults.append(f"{who}: every version of the chart makes new pods")

        chosen = selector(o)
        if chosen is not None:
            if set(chosen) != SELECTING:
                faults.append(f"{who}: selects by {', '.join(sorted(chosen))}")
            for hook in hooks:
                if o["kind"] != "ServiceMonitor" and selects(chosen, hook["metadata"]["labels"]):
                    faults.append(f"{who}: selects the hook {hook['metadata']['name']}")
            workloads = [w for w in rendered.of("Deployment", "DaemonSet")]
            if not any(selects(chosen, w["spec"]["template"]["metadata"]["labels"]) for w in workloads):
                faults.append(f"{who}: selects no pod")
        if o["kind"] == "NetworkPolicy":
            faults += [f"{who}: a rule lets in everybody" for r in o["spec"]["ingress"] if not r.get("from")]
            peers = [p.get("podSelector", {}).get("matchLabels") for r in o["spec"]["ingress"] for p in r.get("from", [])]
            if not any(p and selects(p, h["metadata"]["labels"]) for p in peers for h in hooks):
                faults.append(f"{who}: keeps the test out")
    return faults + availability(rendered)


def availability(rendered: Rendered) -> list[str]:
    faults = []
    scaled = rendered.of("HorizontalPodAutoscaler")
    budgets = rendered.of("PodDisruptionBudget")
    for deployment in rendered.of("Deployment"):
        replicas = deployment["spec"].get("replicas")
        if (replicas is None) != bool(scaled):
            faults.append("replicas stand beside an autoscaler, or neither is there")
        if budgets and (replicas or scaled[0]["spec"]["minReplicas"]) < 2:
            faults.append("a disruption budget for one replica keeps its node from being drained")
    if rendered.of("DaemonSet") and (budgets or scaled):
        faults.append("a DaemonSet with a disruption budget or an autoscaler")
    return faults
