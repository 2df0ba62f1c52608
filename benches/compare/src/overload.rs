//! Twice as many checks as can be answered, and what comes afterwards.

use crate::load::{closed, open};
use crate::report::Table;
use crate::server::{Kind, start};
use std::path::PathBuf;
use std::time::Duration;

type Fault = Box<dyn std::error::Error>;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The program to measure
    #[arg(long, default_value = "../../target/release/sidegate")]
    sidegate: PathBuf,
    /// How long the overload lasts, in seconds
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How many checks may be in progress at once
    #[arg(long, default_value_t = 64)]
    concurrency: usize,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let limit = [(
            "SIDEGATE_DECISIONS_CONCURRENCY",
            arguments.concurrency.to_string(),
        )];
        let server = start(Kind::Sidegate, false, &arguments.sidegate, None, &limit).await?;
        let (address, call) = (&server.address, &server.call);
        let most = closed(address, call, 4, 64, Duration::from_secs(4)).await?;
        let rate = most.calls as f64 / most.seconds;
        let before = open(address, call, 4, 2_000.0, Duration::from_secs(3)).await?;
        let resident = server.process.resident();
        let length = Duration::from_secs(arguments.seconds);
        // Far more than the server admits are in flight all the time.
        let over = closed(address, call, 16, 4_096, length).await?;
        let peak = server.process.resident();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let after = open(address, call, 4, 2_000.0, Duration::from_secs(3)).await?;
        let mut table = Table::new(&[
            "phase",
            "calls a second",
            "p50",
            "p99",
            "no allow",
            "resident",
        ]);
        for (phase, measured, resident) in [
            ("64 in flight", &most, resident),
            ("2,000 a second", &before, resident),
            ("4,096 in flight", &over, peak),
            (
                "2,000 a second, a second later",
                &after,
                server.process.resident(),
            ),
        ] {
            let at = |quantile: f64| measured.latency.value_at_quantile(quantile) as f64 / 1e3;
            table.row(&[
                phase.to_owned(),
                format!("{:.0}", measured.calls as f64 / measured.seconds),
                format!("{:.0} µs", at(0.5)),
                format!("{:.0} µs", at(0.99)),
                measured.wrong.to_string(),
                format!("{:.1} MB", resident as f64 / 1e6),
            ]);
        }
        table.print(arguments.json);
        eprintln!("at most {rate:.0} a second were answered beforehand");
        Ok(())
    })
}
