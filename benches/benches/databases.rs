//! Cost of `xray-sqlx`, in one run alongside bare sqlx: a point query on PostgreSQL over loopback, if it is installed, and on
//! SQLite. Batches of the variants alternate, since a database's own times drift. Each batch runs in a segment, whose
//! document is part of the time.

use std::time::{Duration, Instant};

use sqlx::{PgPool, SqlitePool};
use xray_benches::recorder;
use xray_core::Recorder;

/// The queries of a batch, and the batches of each variant.
const QUERIES: u32 = 20;
const BATCHES: usize = 1500;
const WARM_UP: usize = 100;

fn main() {
    // `cargo test --benches` only builds and starts the benchmarks.
    let batches = if std::env::args().any(|argument| argument == "--bench") { BATCHES } else { 1 };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        if let Some(server) = xray_databases::postgres() {
            let bare = PgPool::connect(&server.url()).await.expect("a database");
            sqlx::raw_sql(TABLE).execute(&bare).await.expect("a table");
            let wrapped = xray_sqlx::PgPool::from(bare.clone());
            let query = "SELECT name FROM items WHERE id = $1";
            let run_bare = async || point(sqlx::query_scalar(query).bind(7).fetch_one(&bare).await);
            let run_wrapped = async || point(sqlx::query_scalar(query).bind(7).fetch_one(&wrapped).await);
            compare("PostgreSQL", batches, run_bare, run_wrapped).await;
        }
        let options = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1);
        let bare: SqlitePool = options.connect("sqlite::memory:").await.expect("a database");
        sqlx::raw_sql(TABLE).execute(&bare).await.expect("a table");
        let wrapped = xray_sqlx::SqlitePool::from(bare.clone());
        let query = "SELECT name FROM items WHERE id = ?";
        let run_bare = async || point(sqlx::query_scalar(query).bind(7).fetch_one(&bare).await);
        let run_wrapped = async || point(sqlx::query_scalar(query).bind(7).fetch_one(&wrapped).await);
        compare("SQLite", batches, run_bare, run_wrapped).await;
    });
}

const TABLE: &str = "CREATE TABLE items (id INTEGER PRIMARY KEY, name VARCHAR(50) NOT NULL); \
                     INSERT INTO items VALUES (7, 'tea')";

fn point(result: sqlx::Result<String>) {
    assert_eq!(result.expect("a row"), "tea");
}

/// Runs one batch in a segment, and returns the time of one query.
async fn batch(recorder: &Recorder, query: &impl AsyncFn()) -> Duration {
    let start = Instant::now();
    let segment = recorder.begin("orders");
    let queries = async {
        for _ in 0..QUERIES {
            query().await;
        }
    };
    segment.scope(queries).await;
    segment.close();
    start.elapsed() / QUERIES
}

async fn compare(database: &str, batches: usize, bare: impl AsyncFn(), wrapped: impl AsyncFn()) {
    let (all, none) = (recorder(1.0), recorder(0.0));
    let mut times: [Vec<Duration>; 4] = Default::default();
    for number in 0..batches + WARM_UP.min(batches) {
        let round = [
            batch(&none, &bare).await,
            batch(&none, &wrapped).await,
            batch(&all, &bare).await,
            batch(&all, &wrapped).await,
        ];
        if number >= WARM_UP.min(batches) {
            times.iter_mut().zip(round).for_each(|(times, time)| times.push(time));
        }
    }
    let [bare_unsampled, unsampled, bare_sampled, sampled] = times.map(median);
    for (name, with, without) in [("unsampled", unsampled, bare_unsampled), ("sampled", sampled, bare_sampled)] {
        let (with, without) = (with.as_secs_f64() * 1e6, without.as_secs_f64() * 1e6);
        let more = with - without;
        println!(
            "{database}, {name}: {without:.2} µs bare, {with:.2} µs recorded: {more:+.2} µs, {:+.1} %",
            more / without * 100.0
        );
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
