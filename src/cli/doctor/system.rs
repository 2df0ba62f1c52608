//! What the machine and the container give.

use crate::cli::doctor::report::Report;
use crate::config::Config;
use std::path::Path;

/// The fewest watches of the kernel for a user that are plenty.
const FEW_WATCHES: u64 = 8_192;
/// The fewest open files for a server with many connections.
const FEW_FILES: u64 = 1_024;

pub(super) fn look(config: &Config, report: &mut Report) {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    report.note(
        "processors",
        format!("{processors} are granted, {} threads serve", config.threads),
    );
    quota(config.threads, report);
    memory(report);
    watches(report);
    files(report);
}

fn read(path: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the system is looked at here")]
    let text = std::fs::read_to_string(Path::new(path)).ok()?;
    Some(text.trim().to_owned())
}

/// K1.30: more threads than the quota has processors are stopped in the middle of decisions.
fn quota(threads: usize, report: &mut Report) {
    let Some(text) = read("/sys/fs/cgroup/cpu.max") else {
        return;
    };
    let Some((quota, period)) = text.split_once(' ') else {
        return;
    };
    let (Ok(quota), Ok(period)) = (quota.parse::<u64>(), period.parse::<u64>()) else {
        report.note("quota", "no limit of processor time");
        return;
    };
    let whole = quota.div_ceil(period.max(1));
    let told = format!("{quota} of each {period} µs");
    if u64::try_from(threads).unwrap_or(u64::MAX) > whole {
        let advice = format!(
            "{told}, less than {threads} threads use: set `runtime.threads` to {whole}, or no limit"
        );
        report.warn("quota", advice);
    } else {
        report.note("quota", told);
    }
}

fn memory(report: &mut Report) {
    let number = |path| read(path)?.parse::<u64>().ok();
    let Some(limit) = number("/sys/fs/cgroup/memory.max") else {
        return;
    };
    let used = number("/sys/fs/cgroup/memory.current").unwrap_or_default();
    let told = format!("{} of {} MiB are used", used >> 20, limit >> 20);
    // A reload has two sets of policies at once.
    if used > limit / 4 * 3 {
        report.warn(
            "memory",
            format!("{told}, and a reload needs room for both bundles"),
        );
    } else {
        report.note("memory", told);
    }
}

fn watches(report: &mut Report) {
    let number = |name: &str| {
        let path = format!("/proc/sys/fs/inotify/{name}");
        read(&path)?.parse::<u64>().ok()
    };
    let (Some(watches), Some(instances)) =
        (number("max_user_watches"), number("max_user_instances"))
    else {
        report.warn(
            "watches",
            "the kernel does not tell; changes may be noticed by polling",
        );
        return;
    };
    let told = format!("{watches} watches, {instances} instances for each user");
    if watches < FEW_WATCHES {
        report.warn(
            "watches",
            format!("{told}: few, so that changes may be noticed by polling"),
        );
    } else {
        report.note("watches", told);
    }
}

fn files(report: &mut Report) {
    let Some(limits) = read("/proc/self/limits") else {
        return;
    };
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3)?.parse::<u64>().ok());
    match soft {
        Some(files) if files < FEW_FILES => {
            report.warn(
                "open files",
                format!("{files} at the most, one for each connection"),
            );
        }
        Some(files) => report.note("open files", format!("{files} at the most")),
        None => {}
    }
}
