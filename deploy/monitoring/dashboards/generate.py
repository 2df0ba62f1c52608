#!/usr/bin/env python3
"""Writes the Grafana dashboards beside it: `generate.py [DIRECTORY]`, or `--check` to compare.

The dashboards are made here and nowhere else, so that panels look alike and a metric is named once.
The same source gives the same bytes. Grafana 10 or newer reads them.
"""

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
WIDTH = 24
Json = dict[str, Any]

# What a viewer has chosen. Recorded series have no instance.
CHOSEN = 'namespace=~"$namespace",job=~"$job",instance=~"$instance"'
FLEET = 'namespace=~"$namespace",job=~"$job"'
RATE = "[$__rate_interval]"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
RUNBOOKS = "https://sidegate.dev/runbooks/"


def chosen(metric: str, more: str = "") -> str:
    """A raw series of the chosen instances."""
    return f"{metric}{{{CHOSEN}{',' if more else ''}{more}}}"


def fleet(metric: str, more: str = "") -> str:
    """A recorded series of the chosen jobs."""
    return f"{metric}{{{FLEET}{',' if more else ''}{more}}}"


def rate(metric: str, by: str, more: str = "") -> str:
    return f"sum by ({by}) (rate({chosen(metric, more)}{RATE}))"


def see(runbook: str) -> str:
    return f" Runbook: {RUNBOOKS}{runbook}"


def target(expr: str, legend: str, form: str = "time_series", instant: bool = False) -> Json:
    return {
        "datasource": SOURCE, "editorMode": "code", "expr": expr, "format": form,
        "instant": instant,
        "legendFormat": legend, "range": not instant,
    }


def panel(kind: str, title: str, description: str, unit: str, targets: list[Json], width: int = 8,
          height: int = 8) -> Json:
    """What all panels have; ids and places are given by `dashboard`."""
    for index, one in enumerate(targets):
        one["refId"] = chr(ord("A") + index)
    return {
        "type": kind, "title": title, "description": description, "datasource": SOURCE,
        "targets": targets, "gridPos": {"w": width, "h": height},
        "fieldConfig": {"defaults": {"unit": unit}, "overrides": []}, "options": {},
    }


def lines(title: str, description: str, unit: str, targets: list[Json], *, width: int = 8,
          stacked: bool = False, logarithmic: bool = False, limit: str | None = None) -> Json:
    """Lines over time. `limit` names the series that is drawn as a dashed line."""
    made = panel("timeseries", title, description, unit, targets, width)
    custom: Json = {"fillOpacity": 20 if stacked else 0, "lineWidth": 1, "showPoints": "never",
                    "stacking": {"mode": "normal" if stacked else "none"}}
    if logarithmic:
        custom["scaleDistribution"] = {"type": "log", "log": 10}
    else:
        made["fieldConfig"]["defaults"]["min"] = 0
    made["fieldConfig"]["defaults"]["custom"] = custom
    if limit is not None:
        dashed = {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [10, 10]}}
        made["fieldConfig"]["overrides"] = [
            {"matcher": {"id": "byName", "options": limit}, "properties": [dashed]}]
    made["options"] = {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
                       "tooltip": {"mode": "multi", "sort": "desc"}}
    return made


def number(title: str, description: str, unit: str, expr: str, legend: str = "", *, width: int = 4,
           red: float | None = None, low_is_bad: bool = False, decimals: int | None = None) -> Json:
    """One number, red from `red` on, or below it where little is bad."""
    made = panel("stat", title, description, unit, [target(expr, legend, instant=True)], width, 4)
    steps: list[Json] = [{"color": "green", "value": None}]
    if red is not None:
        steps = ([{"color": "red", "value": None}, {"color": "green", "value": red}] if low_is_bad
                 else steps + [{"color": "red", "value": red}])
    made["fieldConfig"]["defaults"]["thresholds"] = {"mode": "absolute", "steps": steps}
    if decimals is not None:
        made["fieldConfig"]["defaults"]["decimals"] = decimals
    made["options"] = {"colorMode": "value", "graphMode": "none", "textMode": "auto",
                       "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
    return made


def heatmap(title: str, description: str, metric: str, more: str, *, width: int = 8,
            repeat: str | None = None) -> Json:
    """A row for each bucket of a histogram, all of one height, from a microsecond to a second."""
    expr = f"sum by (le) (increase({chosen(metric, more)}{RATE}))"
    made = panel("heatmap", title, description, "s", [target(expr, "{{le}}", "heatmap")], width)
    made["options"] = {
        "calculate": False, "cellGap": 1,
        "color": {"mode": "scheme", "scheme": "Blues", "steps": 64, "scale": "exponential",
                  "exponent": 0.5, "reverse": False},
        "filterValues": {"le": 1e-9}, "legend": {"show": True}, "rowsFrame": {"layout": "auto"},
        "tooltip": {"mode": "single", "showColorScale": False, "yHistogram": True},
        "yAxis": {"axisPlacement": "left", "reverse": False, "unit": "s"},
        "cellValues": {"unit": "short"},
    }
    if repeat is not None:
        made |= {"repeat": repeat, "repeatDirection": "h", "maxPerRow": 3}
    return made


def table(title: str, description: str, expr: str, hidden: list[str], *, width: int = 24) -> Json:
    made = panel("table", title, description, "none",
                 [target(expr, "", "table", instant=True)], width)
    made["transformations"] = [
        {"id": "organize", "options": {"excludeByName": {name: True for name in hidden}}}]
    made["options"] = {"showHeader": True, "cellHeight": "sm"}
    return made


def row(title: str) -> Json:
    return {"type": "row", "title": title, "collapsed": False, "panels": [],
            "gridPos": {"w": WIDTH, "h": 1}}


def variable(name: str, label: str, query: str) -> Json:
    """A choice of many. `.*` stands for all, for it takes a label that is not there as well."""
    return {
        "type": "query", "name": name, "label": label, "datasource": SOURCE, "definition": query,
        "query": {"query": query, "refId": name}, "refresh": 2, "sort": 1, "multi": True,
        "includeAll": True, "allValue": ".*", "current": {"text": ["All"], "value": ["$__all"]},
        "options": [], "regex": "", "hide": 0,
    }


def dashboard(uid: str, title: str, description: str, panels: list[Json],
              variables: list[Json] | None = None) -> Json:
    """Gives ids, and places from left to right and from top to bottom."""
    x = y = tallest = 0
    for index, one in enumerate(panels, start=1):
        place = one["gridPos"]
        if x + place["w"] > WIDTH:
            x, y, tallest = 0, y + tallest, 0
        place |= {"x": x, "y": y}
        x, tallest = x + place["w"], max(tallest, place["h"])
        one["id"] = index
    source = {"type": "datasource", "name": "datasource", "label": "Data source",
              "query": "prometheus", "current": {}, "options": [], "regex": "", "hide": 0,
              "refresh": 1, "multi": False, "includeAll": False}
    choices = [
        source,
        variable("namespace", "Namespace", "label_values(sidegate_build_info, namespace)"),
        variable("job", "Job",
                 'label_values(sidegate_build_info{namespace=~"$namespace"}, job)'),
        variable("instance", "Instance",
                 f"label_values(sidegate_build_info{{{FLEET}}}, instance)"),
    ]
    link = {"type": "dashboards", "title": "Sidegate", "tags": ["sidegate"], "asDropdown": True,
            "includeVars": True, "keepTime": True, "targetBlank": False, "icon": "external link",
            "tooltip": "", "url": ""}
    return {
        "uid": uid, "title": title, "description": description, "tags": ["sidegate"],
        "schemaVersion": 39, "version": 1, "editable": True, "graphTooltip": 1, "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"}, "timezone": "browser", "annotations": {"list": []},
        "links": [link], "templating": {"list": choices + (variables or [])}, "panels": panels,
    }


WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")


def burn(what: str, budget: str) -> list[Json]:
    return [target(f"max({fleet(f'sidegate:{what}_ratio:rate{window}')}) / scalar({budget})",
                   window)
            for window in ("5m", "1h", "6h", "3d")]


def overview() -> Json:
    error, slow = "sidegate:slo:error_budget", "sidegate:slo:latency_budget"
    return dashboard("sidegate-overview", "Sidegate / Overview",
                         "Is it well, and since when not.", [
        row("Now"),
        number("Instances that answer",
               "Fewer than you run: see which target is down, and why." + see("SidegateDown"),
               "none", f"count({chosen('sidegate_build_info')}) or vector(0)", red=1,
               low_is_bad=True),
        number("Without a policy",
               "They deny everything with 503. Validate the bundle that they mount."
               + see("SidegateNoPolicyLoaded"),
               "none", f"count({chosen('sidegate_snapshot_revision')} == 0) or vector(0)", red=1),
        number("Refuse the bundle on disk",
               "The last good policies stay in force. Read the log for file, line and rule."
               + see("SidegatePolicyReloadFailing"),
               "none", f"sum({chosen('sidegate_policy_reload_failed')})", red=1),
        number("Decisions", "A sudden fall: look at Envoy and at what calls it first.", "ops",
               f"sum({fleet('sidegate:decisions:rate5m')})"),
        number("Errors, 5 minutes",
               "Checks that ended without a decision, each of them refused. A deny is none."
               + see("SidegateErrorBudgetBurn"),
               "percentunit", f"max({fleet('sidegate:error_ratio:rate5m')})", red=0.00144,
               decimals=3),
        number("Denied, 5 minutes",
               "Compare with a day before under Decisions. All at once: a push of policy."
               + see("SidegateDenyRatioJump"),
               "percentunit", f"max({fleet('sidegate:deny_ratio:rate5m')})", decimals=1),
        row("Objectives"),
        number("Error budget left",
               "What the worst job left of three days' share of the budget. Below zero the "
               "budget of 30 days will not last." + see("SidegateErrorBudgetBurn"),
               "percentunit", f"1 - max({fleet('sidegate:error_ratio:rate3d')}) / scalar({error})",
               red=0, low_is_bad=True, decimals=1, width=6),
        number("Latency budget left",
               "The same for decisions over a millisecond." + see("SidegateLatencyBudgetBurn"),
               "percentunit", f"1 - max({fleet('sidegate:latency_ratio:rate3d')}) / scalar({slow})",
               red=0, low_is_bad=True, decimals=1, width=6),
        number("Median of decisions", "Far below a millisecond. When it moves, see which stage "
               "does, under Decisions." + see("SidegateLatencyBudgetBurn"), "s",
               f"max({fleet('sidegate:latency_p50:rate5m')})", width=6, red=0.001),
        number("99th percentile of decisions", "The objective is a millisecond. Above it: "
               "processor limits first." + see("SidegateLatencyBudgetBurn"), "s",
               f"max({fleet('sidegate:latency_p99:rate5m')})", width=6, red=0.001),
        lines("Burn of the error budget",
              "1 uses the budget of 30 days up in 30 days. 14.4 in both 5m and 1h pages, so does "
              "6 in 30m and 6h." + see("SidegateErrorBudgetBurn"),
              "none", burn("error", error), width=12),
        lines("Burn of the latency budget",
              "As for errors. A step at a change of policy or of the limits of the container tells "
              "the cause." + see("SidegateLatencyBudgetBurn"),
              "none", burn("latency", slow), width=12),
        row("Fleet"),
        lines("Up", "Targets of the jobs that are or were Sidegate's. A line that falls is an "
              "instance that is gone, stuck or out of reach." + see("SidegateDown"), "none",
              [target(f'sum by (job) (up{{{FLEET}}} and on (namespace, job) '
                      f'max_over_time(sidegate:instances:count[1d]))', "{{job}} up"),
               target(f'count by (job) (up{{{FLEET}}} and on (namespace, job) '
                      f'max_over_time(sidegate:instances:count[1d]))', "{{job}} targets")]),
        lines("Versions", "Two versions for longer than a rollout takes: the rollout is stuck."
              + see("Upgrade"), "none",
              [target(f"count by (version) ({chosen('sidegate_build_info')})", "{{version}}")],
              stacked=True),
        lines("Decisions by outcome", "Errors and unauthenticated calls should be a thin band."
              + see("EverythingDenied"), "ops",
              [target(rate("sidegate_decisions_total", "outcome"), "{{outcome}}")], stacked=True),
    ])


def decisions() -> Json:
    total, duration = "sidegate_decisions_total", "sidegate_decision_duration_seconds_bucket"
    stage = "sidegate_stage_duration_seconds_bucket"

    def quantile(share: str, metric: str, by: str, more: str = "") -> Json:
        inner = rate(metric, f"le, {by}", more)
        return target(f"histogram_quantile({share}, {inner})",
                      f"{{{{{by}}}}} {'median' if share == '0.5' else '99th'}")

    return dashboard("sidegate-decisions", "Sidegate / Decisions",
                         "What is decided, and how fast.", [
        row("Outcomes"),
        lines("By outcome", "A swap of colours at one moment is a push: compare with the revision "
              "under Policy." + see("EverythingDenied"), "ops",
              [target(rate(total, "outcome", 'door=~"$door"'), "{{outcome}}")], stacked=True),
        lines("Not allowed, by reason",
              "implicit_deny: nothing allows it. explicit_deny: a statement denies it. unmapped: "
              "no route. no_snapshot, overload and deadline are errors." + see("EverythingDenied"),
              "ops",
              [target(rate(total, "reason", 'door=~"$door",outcome!="allow"'), "{{reason}}")],
              stacked=True),
        lines("By door", "A door that falls silent: look at the proxy that asks there."
              + see("SidecarNotReady"), "ops",
              [target(rate(total, "door", 'door=~"$door"'), "{{door}}")], stacked=True),
        lines("Share of denials, and a day before",
              "An alert is due at twice the share of the day before and a tenth more."
              + see("SidegateDenyRatioJump"), "percentunit",
              [target(fleet("sidegate:deny_ratio:rate5m"), "{{job}}"),
               target(fleet("sidegate:deny_ratio:rate5m") + " offset 1d", "{{job}} a day before")]),
        lines("Share of errors, by window", "Above 0.01 % the objective is missed."
              + see("SidegateErrorBudgetBurn"), "percentunit",
              [target(f"max({fleet(f'sidegate:error_ratio:rate{window}')})", window)
               for window in WINDOWS]),
        lines("In progress", "Near decisions.concurrency (4096 unless set), more is turned away."
              + see("SidegateOverloadShedding"), "none",
              [target("sum by (door) ("
                      + chosen("sidegate_requests_in_flight", 'door=~"$door"') + ")",
                      "{{door}}")]),
        row("Time of a decision, by door"),
        lines("Quantiles by door",
              "The scale is logarithmic, from microseconds on. If only one door is slow, what it "
              "alone reads is: bodies, or an issuer's keys." + see("SidegateLatencyBudgetBurn"),
              "s",
              [quantile(share, duration, "door", 'door=~"$door"') for share in ("0.5", "0.99")],
              width=12, logarithmic=True),
        lines("Over a millisecond, by window",
              "Above 1 % the objective is missed." + see("SidegateLatencyBudgetBurn"),
              "percentunit",
              [target(f"max({fleet(f'sidegate:latency_ratio:rate{window}')})", window)
               for window in WINDOWS], width=12),
        heatmap("$door", "Each row is a bucket, so that microseconds and milliseconds show "
                "alike. A second band above the first is a second kind of call; one that rises is "
                "load." + see("SidegateLatencyBudgetBurn"), duration, 'door=~"$door"', repeat="door"),
        row("Time of a decision, by stage"),
        lines("Quantiles by stage",
              "authenticate: signatures and tokens. map: bodies and routes. decide: policies. "
              "The one that rises is where to look." + see("SidegateLatencyBudgetBurn"), "s",
              [quantile(share, stage, "stage") for share in ("0.5", "0.99")], width=24,
              logarithmic=True),
        *[heatmap(name, text + see("SidegateLatencyBudgetBurn"), stage, f'stage="{name}"')
          for name, text in (
              ("authenticate", "Above a hundred microseconds: signatures are verified anew, so "
               "see the hit rates of the caches, or keys are fetched."),
              ("map", "Above a hundred microseconds: large bodies decide what is asked."),
              ("decide", "Above a hundred microseconds: statements that no index tells apart. "
               "Narrow their resources."))],
    ], [variable("door", "Door",
                 f"label_values(sidegate_decisions_total{{{CHOSEN}}}, door)")])


def policy() -> Json:
    return dashboard("sidegate-policy", "Sidegate / Policy",
                         "Which bundle is in force, and since when.", [
        row("In force"),
        number("Bundles in force", "More than one for longer than the kubelet takes (two "
               "minutes): see which instance lags, in the table." + see("SidegateSnapshotSkew"),
               "none",
               'count(count_values by (namespace, job) ("digest", '
               + chosen("sidegate_snapshot_digest") + " > 0))", width=6),
        number("Oldest reading", "Since the bundle was last found whole and good. Red: it is not "
               "read, or refused." + see("SidegatePolicyStale"), "s",
               f"max(time() - ({chosen('sidegate_source_last_success_timestamp_seconds')} > 0))",
               width=6, red=900),
        number("Refuse the bundle on disk", "Read the log for file, line and rule."
               + see("SidegatePolicyReloadFailing"), "none",
               f"sum({chosen('sidegate_policy_reload_failed')})", width=6, red=1),
        number("Poll, without a watch", "The kernel grants no watch, so a change takes up to "
               "bundle.poll. Raise fs.inotify.max_user_watches on the node, or let it be."
               + see("SidegatePolicyStale"),
               "none", "sum(" + chosen("sidegate_source_watch_mode", 'mode="poll"') + ")",
               width=6),
        lines("Revision", "Counts the snapshots of each instance. Steps show pushes; a step back "
              "to 1 is a restart." + see("EverythingDenied"), "none",
              [target(chosen("sidegate_snapshot_revision"), "{{instance}}")]),
        lines("Age of the policies in force", "Since they were compiled. Instances that fall "
              "apart have different bundles." + see("SidegateSnapshotSkew"), "s",
              [target("time() - (" + chosen("sidegate_snapshot_timestamp_seconds") + " > 0)",
                      "{{instance}}")]),
        lines("Age of the last good reading", "Rises where a directory cannot be read or a "
              "bundle is refused." + see("SidegatePolicyStale"), "s",
              [target("time() - (" + chosen("sidegate_source_last_success_timestamp_seconds")
                      + " > 0)", "{{instance}}")]),
        row("Reloads"),
        lines("Reloads by result", "failure: a bundle was refused. Many successes without a push: "
              "something writes the bundle all the time." + see("SidegatePolicyReloadFailing"),
              "none",
              [target(f"sum by (result) (increase({chosen('sidegate_reloads_total')}{RATE}))",
                      "{{result}}")], stacked=True),
        lines("Watch and poll", "How changes are noticed." + see("SidegatePolicyStale"), "none",
              [target(f"sum by (mode) ({chosen('sidegate_source_watch_mode')})", "{{mode}}")],
              stacked=True),
        lines("Digests in force, by job", "One is right. More are a rollout, or skew."
              + see("SidegateSnapshotSkew"), "none",
              [target('count by (namespace, job) (count_values by (namespace, job) ("digest", '
                      + chosen("sidegate_snapshot_digest") + " > 0))", "{{job}}")]),
        row("Size"),
        lines("Compiled", "512 MiB are the most that is accepted. A reload holds the old and the "
              "new one at once." + see("OutOfMemory"), "bytes",
              [target(chosen("sidegate_snapshot_compiled_bytes"), "{{instance}}")]),
        lines("Source", "A jump is a push; far less than before is a bundle that lost files."
              + see("EverythingDenied"), "bytes",
              [target(chosen("sidegate_snapshot_source_bytes"), "{{instance}}")]),
        lines("Statements", "Some 220 bytes of memory each." + see("OutOfMemory"), "none",
              [target(chosen("sidegate_snapshot_statements"), "{{instance}}")]),
        table("Instances", "Sort by Value to see who decides by another bundle."
              + see("SidegateSnapshotSkew"), chosen("sidegate_snapshot_digest"),
              ["Time", "__name__"]),
    ])


def authentication() -> Json:
    methods = "sidegate_authentications_total"
    return dashboard("sidegate-authentication", "Sidegate / Authentication and STS",
                     "Who calls, who fails, and which credentials are issued.", [
        row("Callers"),
        lines("By method", "A method that vanishes: its keys, issuer or certificates."
              + see("SidegateAuthenticationFailuresJump"), "ops",
              [target(rate(methods, "method"), "{{method}}")], stacked=True),
        lines("Failures by method", "One method alone: its keys or issuer. All: a clock, or a "
              "proxy that drops headers." + see("SidegateAuthenticationFailuresJump"), "ops",
              [target(rate(methods, "method", 'result="failure"'), "{{method}}")], stacked=True),
        lines("Failures by class of rule", "SIG: signatures and clocks. TOK: session tokens and "
              "their keys. JWT: issuers. MTLS: certificates." + see("ClockSkew"), "ops",
              [target(rate("sidegate_authentication_failures_total", "rule"), "{{rule}}")],
              stacked=True),
        lines("Share of failures, and a day before", "An alert is due at twice the share of the "
              "day before and a tenth more." + see("SidegateAuthenticationFailuresJump"),
              "percentunit",
              [target(fleet("sidegate:authentication_failure_ratio:rate5m"), "{{job}}"),
               target(fleet("sidegate:authentication_failure_ratio:rate5m") + " offset 1d",
                      "{{job}} a day before")]),
        lines("Fetches of keys and reviews of tokens", "Failures that go on: the issuer, its "
              "certificate, or egress." + see("SidegateFetchesFailing"), "ops",
              [target(rate("sidegate_fetches_total", "result"), "{{result}}")], stacked=True),
        lines("Until keys and certificates end", "Below a week: rotate. After a rotation the "
              "outgoing key is the one that ends, as it should." + see("SidegateKeyExpiry"), "s",
              [target("min by (job, kind) (" + chosen("sidegate_key_expiry_timestamp_seconds")
                      + ") - time()", "{{job}} {{kind}}")]),
        row("Issuing credentials"),
        lines("Token service, by outcome",
              "deny: trust policies. error: no policy, or too much at once."
              + see("EverythingDenied"), "ops",
              [target(rate("sidegate_decisions_total", "outcome", 'door="sts"'), "{{outcome}}")],
              stacked=True),
        lines("Credentials of pods, by outcome",
              "unauthenticated: the projected token or its issuer."
              + see("JwksRotation"), "ops",
              [target(rate("sidegate_decisions_total", "outcome", 'door="pod_credentials"'),
                      "{{outcome}}")], stacked=True),
        heatmap("Time to issue", "A pod's door asks the token service, so a band at milliseconds "
                "is usual; at a second the service is slow or far."
                + see("SidegateLatencyBudgetBurn"),
                "sidegate_decision_duration_seconds_bucket", 'door=~"sts|pod_credentials"'),
    ])


def process() -> Json:
    logged = "sidegate_decision_log_records_total"
    hits, misses = "sidegate_cache_hits_total", "sidegate_cache_misses_total"
    return dashboard("sidegate-process", "Sidegate / Process, caches and decision log",
                     "What it takes, what it keeps, and what it writes.", [
        row("Process"),
        lines("Processor", "At the limit of the container: raise it, or add instances."
              + see("SidegateOverloadShedding"), "none",
              [target(f"rate({chosen('process_cpu_seconds_total')}{RATE})", "{{instance}}")]),
        lines("Memory", "Steps at reloads are usual. Near the limit: the bundle has grown."
              + see("OutOfMemory"), "bytes",
              [target(chosen("process_resident_memory_bytes"), "{{instance}}")]),
        lines("Since start", "Falls to zero at a restart. Many: see why the container ended."
              + see("OutOfMemory"), "s",
              [target("time() - " + chosen("process_start_time_seconds"), "{{instance}}")]),
        lines("Share of file descriptors in use", "Near 1 no connection is taken: raise the "
              "limit, or let Envoy keep fewer connections." + see("SidegateOverloadShedding"),
              "percentunit",
              [target(chosen("process_open_fds") + " / " + chosen("process_max_fds"),
                      "{{instance}}")]),
        lines("Threads", "Constant. It follows runtime.threads."
              + see("SidegateLatencyBudgetBurn"), "none",
              [target(chosen("process_threads"), "{{instance}}")]),
        lines("Address space", "Resident memory counts; this helps to tell a leak from a map."
              + see("OutOfMemory"), "bytes",
              [target(chosen("process_virtual_memory_bytes"), "{{instance}}")]),
        row("Caches"),
        lines("Hit rate", "Low for tokens or signing_keys: each call brings another credential, "
              "or the cache is too small for them. Low for decisions is no fault."
              + see("SidegateLatencyBudgetBurn"), "percentunit",
              [target(f"{rate(hits, 'cache')} / ({rate(hits, 'cache')} + {rate(misses, 'cache')})",
                      "{{cache}}")]),
        lines("Evictions", "Steady: more is in use than fits." + see("SidegateLatencyBudgetBurn"),
        "ops",
              [target(rate("sidegate_cache_evictions_total", "cache"), "{{cache}}")]),
        lines("Bytes", "Bounded. A fall to zero is a new snapshot." + see("OutOfMemory"), "bytes",
              [target(f"sum by (cache) ({chosen('sidegate_cache_bytes')})", "{{cache}}")],
              stacked=True),
        lines("Entries", "Follows the number of credentials in use." + see("OutOfMemory"), "none",
              [target(f"sum by (cache) ({chosen('sidegate_cache_entries')})", "{{cache}}")],
              stacked=True, width=24),
        row("Decision log and traces"),
        lines("Records by result", "dropped: who reads the log misses some. sampled_out: as "
              "decisionlog.allows says." + see("SidegateDecisionLogDropping"), "ops",
              [target(rate(logged, "result"), "{{result}}")], stacked=True),
        lines("Records that wait", "Near decisionlog.queue (8192 unless set) the next are dropped."
              + see("SidegateDecisionLogDropping"), "none",
              [target(chosen("sidegate_decision_log_queue_depth"), "{{instance}}")]),
        lines("Spans by result", "dropped: the collector at otlp.endpoint is slow or gone. "
              "Decisions do not wait for it." + see("DecisionLog"), "ops",
              [target(rate("sidegate_spans_total", "result"), "{{result}}")], stacked=True),
    ])


def text_of(made: Json) -> str:
    """JSON with a line for each panel, so that a change shows where it is."""
    def short(value: Any) -> str:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    members = []
    for key in sorted(made):
        if key == "panels":
            members.append('"panels":[\n' + ",\n".join(short(one) for one in made[key]) + "\n]")
        else:
            members.append(f"{short(key)}:{short(made[key])}")
    return "{\n" + ",\n".join(members) + "\n}\n"


def texts() -> dict[str, str]:
    """Each dashboard by the name of its file."""
    made = {"overview": overview(), "decisions": decisions(), "policy": policy(),
            "authentication": authentication(), "process": process()}
    return {f"{name}.json": text_of(one) for name, one in made.items()}


def main() -> int:
    arguments = sys.argv[1:]
    if arguments == ["--check"]:
        stale = [name for name, text in texts().items()
                 if not (HERE / name).is_file() or (HERE / name).read_text("utf-8") != text]
        for name in stale:
            print(f"{HERE / name}: is not what generate.py writes; run it", file=sys.stderr)
        return 1 if stale else 0
    if len(arguments) > 1 or any(one.startswith("-") for one in arguments):
        print("usage: generate.py [--check | DIRECTORY]", file=sys.stderr)
        return 2
    directory = Path(arguments[0]) if arguments else HERE
    for name, text in texts().items():
        (directory / name).write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
