//! A small shop in a database: `cargo run --example sql`.
//!
//! It needs nothing: the database is SQLite in memory. `-- postgres://user:password@host/database` uses PostgreSQL, and
//! `-- mysql://…` MySQL or MariaDB; the tables are created and dropped again. Each request is one trace, and each query is a
//! subsegment of it. The texts of queries are collected, without their values.
//!
//! If `xray-local` runs, the traces are on its page. Otherwise they are printed in this terminal, unless
//! `AWS_XRAY_DAEMON_ADDRESS` is set. The example repeats its requests every ten seconds until Ctrl-C. With `-- --once` it
//! exits after the first traces.

mod shop;
mod viewer;

use std::error::Error;
use std::time::Duration;

use xray_core::Recorder;
use xray_core::sampling::Always;

use viewer::Viewer;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let once = arguments.iter().any(|argument| argument == "--once");
    let url = arguments.into_iter().find(|argument| argument.contains(':'));
    let viewer = Viewer::start()?;
    let recorder = Recorder::builder()
        .service("shop")
        .daemon(viewer.daemon())
        .sampling(Always) // by default, the rules of the AWS account decide
        .collect_sql_queries(true) // by default, texts of queries are not recorded
        .build()?;
    let flushed_at_the_end = recorder.install();

    let shop = shop::open(url.as_deref().unwrap_or("sqlite::memory:")).await?;
    loop {
        let requests = shop.visit().await?;
        flushed_at_the_end.flushed().await;
        viewer.wait_for(requests);
        if once {
            break;
        }
        println!("The requests are repeated every ten seconds. Press Ctrl-C to stop.\n");
        if tokio::time::timeout(Duration::from_secs(10), tokio::signal::ctrl_c()).await.is_ok() {
            break;
        }
    }
    shop.close().await?;
    Ok(())
}
