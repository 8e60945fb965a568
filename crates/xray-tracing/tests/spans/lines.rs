//! Trace ids on log lines.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tracing::{info, info_span};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Layer, Registry, fmt};
use xray_core::serde_json::{self, Value};
use xray_core::{Recorder, log_id};
use xray_tracing::{SubsegmentLayer, with_trace_id};

use crate::Traced;

/// What was written.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    pub(crate) fn take(&self) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Lines;

    fn make_writer(&'a self) -> Lines {
        self.clone()
    }
}

fn written(layer: impl Layer<Registry> + Send + Sync, lines: &Lines) -> (String, Vec<String>) {
    let _subscriber = tracing_subscriber::registry().with(layer).set_default();
    let traced = Traced::begin();
    info!("before");
    let id = traced.run(|| {
        info!("within");
        log_id().to_string()
    });
    (id, lines.take())
}

#[test]
fn a_line_of_text_begins_with_the_ids() {
    let lines = Lines::default();
    let layer = fmt::layer().with_ansi(false).without_time().with_writer(lines.clone()).map_event_format(with_trace_id);
    let (id, written) = written(layer, &lines);
    assert!(written[0].starts_with(" INFO spans::lines: before"), "{written:?}");
    assert!(written[1].starts_with(&format!("AWS-XRAY-TRACE-ID: {id}  INFO spans::lines: within")), "{written:?}");
}

#[test]
fn a_line_of_json_has_them_as_a_member() {
    let lines = Lines::default();
    let layer = fmt::layer().json().with_writer(lines.clone()).map_event_format(with_trace_id);
    let (id, written) = written(layer, &lines);
    let lines: Vec<Value> = written.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines[0]["xray_trace_id"].is_null(), "{}", lines[0]);
    assert_eq!(lines[1]["xray_trace_id"], id);
    assert_eq!(lines[1]["fields"]["message"], "within");
}

#[test]
fn the_ids_are_those_of_the_document() {
    let lines = Lines::default();
    let layer = fmt::layer().json().with_writer(lines.clone()).map_event_format(with_trace_id);
    let _subscriber = tracing_subscriber::registry().with(layer).with(SubsegmentLayer::new()).set_default();
    let traced = Traced::begin();
    traced.run(|| info_span!("step").in_scope(|| info!("line")));
    let trace = traced.finish();
    let line: Value = serde_json::from_str(&lines.take()[0]).unwrap();
    let (root, step) = (trace.root().json(), trace.find("step").json());
    let want = format!("{}@{}", root["trace_id"].as_str().unwrap(), step["id"].as_str().unwrap());
    assert_eq!(line["xray_trace_id"], want);
}

#[test]
fn requests_that_are_not_sampled_have_ids_as_well() {
    let recorder = Recorder::builder().environment(|_| None).sampling(xray_core::sampling::Never).build().unwrap();
    let segment = recorder.begin("shop");
    let _in = segment.enter();
    assert_eq!(log_id().trace_id(), segment.trace_id());
    assert!(!log_id().to_string().is_empty());
}

#[test]
fn programs_that_use_log_add_the_ids_as_a_key_value_pair() {
    struct Logger(Lines);
    impl log::Log for Logger {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }

        fn log(&self, record: &log::Record<'_>) {
            let id = record.key_values().get("xray_trace_id".into()).map(|value| value.to_string());
            writeln!(self.0.clone(), "{} {}", id.unwrap_or_default(), record.args()).unwrap();
        }

        fn flush(&self) {}
    }
    log::set_max_level(log::LevelFilter::Info);
    let lines = Lines::default();
    let logger = Logger(lines.clone());
    let traced = Traced::begin();
    let id = traced.run(|| {
        log::info!(logger: logger, xray_trace_id:% = log_id(); "order accepted");
        log_id().to_string()
    });
    assert_eq!(lines.take(), [format!("{id} order accepted")]);
}
