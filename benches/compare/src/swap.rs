//! Checks while a large bundle is replaced again and again, beside checks while it is not.

use crate::bundle;
use crate::load::{Measured, open};
use crate::report::{Table, median};
use crate::server::{Kind, start};
use crate::workload::Workload;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

type Fault = Box<dyn std::error::Error>;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The program to measure
    #[arg(long, default_value = "../../target/release/sidegate")]
    sidegate: PathBuf,
    /// The workload whose policies make the bundle large
    #[arg(long, default_value = "../../../shared/data/workloads/w4b.json.gz")]
    workload: PathBuf,
    /// How many times each is measured
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How long each measurement takes, in seconds
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How many checks are begun in a second
    #[arg(long, default_value_t = 2_000.0)]
    rate: f64,
    /// How many documents change each time
    #[arg(long, default_value_t = 1)]
    documents: usize,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Fault> {
    let directory = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(compare(arguments, directory.path()))
}

async fn compare(arguments: &Arguments, directory: &Path) -> Result<(), Fault> {
    let server = start(
        Kind::Sidegate,
        false,
        &arguments.sidegate,
        Some(directory),
        &[],
    )
    .await?;
    // The example is there now, and the rest comes beside it.
    let workload = Workload::read(&arguments.workload)?;
    for file in bundle::files(&workload).entries {
        let path = directory.join(&file.path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, &file.bytes)?;
    }
    while statements(server.admin)? < workload.statements() {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let length = Duration::from_secs(arguments.seconds);
    let mut found: [Vec<Measured>; 2] = Default::default();
    let mut swaps = 0;
    for _ in 0..arguments.rounds {
        for (place, swapping) in found.iter_mut().zip([false, true]) {
            let over = Arc::new(AtomicBool::new(false));
            let count = Arc::new(AtomicU64::new(0));
            let swapper = swapping.then(|| {
                let (over, count) = (Arc::clone(&over), Arc::clone(&count));
                let (directory, documents) = (directory.to_owned(), arguments.documents);
                std::thread::spawn(move || swap(&directory, documents, &over, &count))
            });
            let measured = open(&server.address, &server.call, 4, arguments.rate, length).await?;
            assert_eq!(measured.wrong, 0, "every answer is an allow");
            over.store(true, Ordering::Relaxed);
            if let Some(swapper) = swapper {
                swapper.join().map_err(|_| "the swapper failed")??;
            }
            swaps += count.load(Ordering::Relaxed);
            place.push(measured);
            // What is still being loaded is none of the next measurement's business.
            tokio::time::sleep(Duration::from_secs(4)).await;
        }
    }
    let mut table = Table::new(&["latency", "undisturbed", "while replaced", "ratio"]);
    for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
        let of = |measured: &[Measured]| {
            let all: Vec<f64> = measured
                .iter()
                .map(|measured| measured.latency.value_at_quantile(quantile) as f64 / 1e3)
                .collect();
            median(&all)
        };
        let [still, swapped] = [of(&found[0]), of(&found[1])];
        table.row(&[
            name.to_owned(),
            format!("{still:.0} µs"),
            format!("{swapped:.0} µs"),
            format!("{:.2}", swapped / still),
        ]);
    }
    table.print(arguments.json);
    eprintln!(
        "{swaps} changes of {} document(s) were written",
        arguments.documents
    );
    Ok(())
}

/// How many statements are in force.
fn statements(admin: u16) -> Result<usize, Fault> {
    let mut stream = TcpStream::connect(("127.0.0.1", admin))?;
    stream.write_all(b"GET /snapshot HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (_, body) = text.split_once("\r\n\r\n").unwrap_or_default();
    let snapshot: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    Ok(snapshot["statements"].as_u64().unwrap_or_default() as usize)
}

/// Changes documents twice a second, each whole at once.
fn swap(
    directory: &Path,
    documents: usize,
    over: &AtomicBool,
    count: &AtomicU64,
) -> std::io::Result<()> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory.join("policies"))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    while !over.load(Ordering::Relaxed) {
        for path in paths.iter().take(documents) {
            let text = std::fs::read_to_string(path)?;
            // The name of a statement changes, and nothing that it says.
            let text = if text.contains("\"Sid\":\"S0") {
                text.replacen("\"Sid\":\"S0", "\"Sid\":\"X0", 1)
            } else {
                text.replacen("\"Sid\":\"X0", "\"Sid\":\"S0", 1)
            };
            let next = directory.join(".next");
            std::fs::write(&next, text)?;
            std::fs::rename(next, path)?;
        }
        count.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(500));
    }
    Ok(())
}
