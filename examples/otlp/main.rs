//! Traces without the daemon: `cargo run --example otlp`, or `.. -- http://127.0.0.1:4318` to use your own collector.
//!
//! A shop records one order, and its emitter sends the trace by OTLP. Without an argument, a collector in this process
//! receives it and prints the spans.

mod collector;

use std::error::Error;
use std::time::Duration;

use xray_core::diagnostics::Level;
use xray_core::sampling::Always;
use xray_core::{Aws, Namespace, Recorder, Sql};
use xray_otlp::{Compression, Encoding, Otlp};

fn main() -> Result<(), Box<dyn Error>> {
    let endpoint = match std::env::args().nth(1) {
        Some(endpoint) => endpoint,
        None => collector::start()?,
    };
    // Only the emitter differs from a program that sends to the daemon. The collector here reads only plain JSON; for
    // others, `Otlp::new(endpoint)?` is enough.
    let otlp = Otlp::builder().endpoint(endpoint).encoding(Encoding::Json).compression(Compression::None).build()?;
    let recorder = Recorder::builder().sampling(Always).diagnostic_level(Level::Info).emitter(otlp).build()?;

    order(&recorder);

    recorder.flush(Duration::from_secs(10));
    let stats = recorder.stats();
    println!(
        "\ndocuments sent: {}, rejected: {}, unsent: {}",
        stats.emitted, stats.dropped_rejected, stats.dropped_unsent
    );
    Ok(())
}

/// Records the same as a handler inside one of the SDK's layers.
fn order(recorder: &Recorder) {
    let segment = recorder.begin("shop");
    segment.set_user("jo").annotate("order_id", 7);

    let query = segment.subsegment("orders@db");
    query.set_namespace(Namespace::Remote).set_sql(&Sql::from_url("postgresql://db:5432/orders"));
    query.close();

    let put = segment.subsegment("DynamoDB");
    let call = Aws::operation("PutItem").region("eu-west-1").parameter("table_name", "receipts");
    put.set_namespace(Namespace::Aws).set_aws(&call).fault("the table is full").close();

    segment.close();
}
