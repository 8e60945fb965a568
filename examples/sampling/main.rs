//! Central sampling at work: `cargo run --example sampling`.
//!
//! A shop asks the X-Ray service which requests to record. Without a daemon (no `AWS_XRAY_DAEMON_ADDRESS`) a receiver
//! of its own answers in the place of the service, from `rules.json` beside this file. After ten seconds the shop has
//! reported what it made of the rules, and has quotas. Then it goes on until Ctrl-C, and follows the file when it is
//! edited; with `-- --once` it ends there.

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
        .sampling(Central::new()) // as it is unless something else is said; here to be seen
        .build()?;
    let flushed_at_the_end = recorder.install();
    let visitor = Visitor::new(shop::open().await?);

    println!("1. The shop asks with its first request. Before, local rules decide.\n");
    table::print(&visitor.visit(0).await?);

    println!("2. With rules, yet without quotas: of each second one request may be borrowed from a reservoir.\n");
    visitor.visit(1).await?;
    until(|explanation| explanation.fallback.is_none()).await?;
    table::print(&visitor.visit(20).await?);

    println!("3. After ten seconds the shop reports, and gets its quotas:\n");
    until(|explanation| matches!(explanation.reason, Reason::Quota { .. })).await?;
    println!();
    table::print(&visitor.visit(20).await?);

    if !once {
        println!("It goes on until Ctrl-C. Meanwhile change the rules, in\n{}\n", daemon::RULES);
    }
    while !once && !interrupted(Duration::from_secs(15)).await {
        println!();
        table::print(&visitor.visit(20).await?);
    }
    flushed_at_the_end.flushed().await;
    Ok(())
}

/// Whether Ctrl-C comes within this time.
async fn interrupted(within: Duration) -> bool {
    timeout(within, tokio::signal::ctrl_c()).await.is_ok()
}

/// Waits until a checkout would be decided so.
async fn until(so: impl Fn(&Explanation) -> bool) -> Result<(), &'static str> {
    let begin = Instant::now();
    while !so(&visitor::explain("POST", "/checkout")) {
        if begin.elapsed() > Duration::from_secs(20) {
            return Err("the X-Ray service has not answered");
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
