//! Central sampling step by step: `cargo run --example sampling`.
//!
//! A shop asks the X-Ray service which requests to record. If `AWS_XRAY_DAEMON_ADDRESS` is not set, a receiver in this
//! process acts as the service and serves the rules in `rules.json` next to this file. After ten seconds the shop has
//! reported its statistics and received quotas. The example then continues until Ctrl-C and picks up changes to the
//! file. With `-- --once` it exits instead.

mod daemon;
mod shop;
mod table;
mod visitor;

use std::error::Error;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};
use xray_core::Recorder;
use xray_core::sampling::{Central, Explanation, Reason};

use daemon::Daemon;
use visitor::Visitor;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let once = std::env::args().any(|argument| argument == "--once");
    let daemon = Daemon::start()?;
    let recorder = Recorder::builder()
        .service("shop")
        .daemon(daemon.address()?)
        .sampling(Central::new()) // the default, set here only to show it
        .build()?;
    let flushed_at_the_end = recorder.install();
    let visitor = Visitor::new(shop::open().await?);

    println!("1. The first request makes the shop fetch the rules. Until they arrive, local rules decide.\n");
    table::print(&visitor.visit(0).await?);

    println!("2. The shop has rules but no quotas yet. It may borrow one request per second from a reservoir.\n");
    visitor.visit(1).await?;
    until(|explanation| explanation.fallback.is_none()).await?;
    table::print(&visitor.visit(20).await?);

    println!("3. After ten seconds the shop reports its statistics and receives quotas:\n");
    until(|explanation| matches!(explanation.reason, Reason::Quota { .. })).await?;
    println!();
    table::print(&visitor.visit(20).await?);

    if !once {
        println!(
            "Sending more requests every 15 seconds. Press Ctrl-C to stop. To change the rules, edit\n{}\n",
            daemon::RULES
        );
    }
    while !once && !interrupted(Duration::from_secs(15)).await {
        println!();
        table::print(&visitor.visit(20).await?);
    }
    flushed_at_the_end.flushed().await;
    Ok(())
}

/// Waits for Ctrl-C; returns false after this time.
async fn interrupted(within: Duration) -> bool {
    timeout(within, tokio::signal::ctrl_c()).await.is_ok()
}

/// Waits until the explanation for a checkout satisfies the condition.
async fn until(condition: impl Fn(&Explanation) -> bool) -> Result<(), &'static str> {
    let begin = Instant::now();
    while !condition(&visitor::explain("POST", "/checkout")) {
        if begin.elapsed() > Duration::from_secs(20) {
            return Err("no response from the X-Ray service within 20 seconds");
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
