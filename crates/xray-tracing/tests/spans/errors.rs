//! Error events as exceptions.

use std::error::Error;
use std::fmt;
use std::io;

use tracing::{error, info_span, warn};
use tracing_error::{ErrorLayer, TracedError};
use tracing_subscriber::prelude::*;
use xray_core::serde_json::Value;
use xray_core::testing::Trace;
use xray_tracing::SubsegmentLayer;

use crate::{Traced, install};

fn exceptions(trace: &Trace, name: &str) -> Vec<(String, String)> {
    let all = trace.find(name).json()["cause"]["exceptions"].as_array().cloned().unwrap_or_default();
    let text = |exception: &Value, member: &str| exception[member].as_str().unwrap_or_default().to_owned();
    all.iter().map(|exception| (text(exception, "type"), text(exception, "message"))).collect()
}

fn pair(kind: &str, message: &str) -> (String, String) {
    (kind.to_owned(), message.to_owned())
}

#[derive(Debug)]
struct OrderError(io::Error);

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot load the order")
    }
}

impl Error for OrderError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[tracing::instrument(err)]
fn load() -> Result<(), OrderError> {
    Err(OrderError(io::Error::other("disk full")))
}

#[tracing::instrument(err)]
fn serve() -> Result<(), OrderError> {
    load()
}

#[test]
fn a_function_that_returns_an_error_is_a_fault_and_the_error_is_described_once() {
    let _subscriber = install(SubsegmentLayer::new());
    let traced = Traced::begin();
    let _ = traced.run(serve);
    let trace = traced.finish();
    assert_eq!(trace.tree(), "shop\n  serve fault\n    load fault\n");
    assert_eq!(exceptions(&trace, "load"), [pair("", "cannot load the order")]);
    let id = &trace.find("load").json()["cause"]["exceptions"][0]["id"];
    assert_eq!(&trace.find("serve").json()["cause"], id, "the caller refers to it");
}

#[test]
fn an_error_value_is_recorded_with_its_type_and_its_sources() {
    let _subscriber = install(SubsegmentLayer::new());
    let traced = Traced::begin();
    traced.run(|| {
        let failure = OrderError(io::Error::other("disk full"));
        info_span!("step").in_scope(|| error!(error = &failure as &(dyn Error + 'static), "giving up"));
        warn!("no exception");
    });
    let trace = traced.finish();
    assert_eq!(trace.tree(), "shop\n  step fault\n");
    assert_eq!(
        exceptions(&trace, "step"),
        [pair("OrderError", "cannot load the order"), pair("io::Error", "disk full")]
    );
    assert_eq!(trace.find("step").metadata("tracing", "message"), "giving up");
}

#[test]
fn a_message_alone_is_an_exception_of_the_current_entity() {
    let _subscriber = install(SubsegmentLayer::new());
    let traced = Traced::begin();
    traced.run(|| error!("out of {}", "paper"));
    let trace = traced.finish();
    assert_eq!(exceptions(&trace, "shop"), [pair("", "out of paper")]);
}

#[test]
fn an_event_belongs_to_its_explicit_parent() {
    let _subscriber = install(SubsegmentLayer::new());
    let traced = Traced::begin();
    traced.run(|| {
        let step = info_span!("step");
        error!(parent: &step, "jam");
    });
    assert_eq!(traced.finish().tree(), "shop\n  step fault\n");
}

#[test]
fn reports_of_anyhow_are_recorded_with_their_causes() {
    let _subscriber = install(SubsegmentLayer::new());
    let traced = Traced::begin();
    traced.run(|| {
        let report = anyhow::Error::from(io::Error::other("disk full")).context("writing").context("saving the order");
        error!(error = ?report);
    });
    let trace = traced.finish();
    let messages: Vec<_> = exceptions(&trace, "shop").into_iter().map(|(_, message)| message).collect();
    assert_eq!(messages, ["saving the order", "writing", "disk full"]);
}

#[test]
fn errors_of_tracing_error_are_recorded_with_their_source() {
    let subscriber = tracing_subscriber::registry().with(SubsegmentLayer::new()).with(ErrorLayer::default());
    let _subscriber = subscriber.set_default();
    let traced = Traced::begin();
    traced.run(|| {
        info_span!("step").in_scope(|| {
            let error = TracedError::from(OrderError(io::Error::other("disk full")));
            error!(error = &error as &(dyn Error + 'static));
        });
    });
    let trace = traced.finish();
    let messages: Vec<_> = exceptions(&trace, "step").into_iter().map(|(_, message)| message).collect();
    assert_eq!(messages.last().map(String::as_str), Some("disk full"), "{messages:?}");
    assert!(messages.iter().any(|message| message == "cannot load the order"), "{messages:?}");
}

#[test]
fn a_debug_that_logs_neither_recurses_nor_hangs() {
    struct Chatty;
    impl fmt::Debug for Chatty {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let _span = info_span!("inside debug").entered();
            error!("logged by Debug");
            f.write_str("Chatty")
        }
    }
    let _subscriber = install(SubsegmentLayer::new());
    let traced = Traced::begin();
    traced.run(|| {
        let span = info_span!("step", value = ?Chatty, later = tracing::field::Empty);
        span.record("later", tracing::field::debug(Chatty));
        span.in_scope(|| error!(error = ?Chatty));
    });
    let trace = traced.finish();
    assert_eq!(trace.tree(), "shop\n  step fault\n");
    assert_eq!(exceptions(&trace, "step"), [pair("", "Chatty")]);
}

#[test]
fn lines_of_the_sdk_itself_are_not_recorded() {
    let _subscriber = install(SubsegmentLayer::new());
    let traced = Traced::begin();
    traced.run(|| {
        let record = |target| {
            let arguments = format_args!("the SDK reports a loss");
            tracing_log::format_trace(
                &log::Record::builder().level(log::Level::Error).target(target).args(arguments).build(),
            )
            .unwrap();
        };
        record("xray");
        info_span!("step").in_scope(|| record("shop"));
    });
    assert_eq!(traced.finish().tree(), "shop\n  step fault\n");
}

#[test]
fn the_error_of_a_database_is_recorded_without_values() {
    let _subscriber = install(SubsegmentLayer::new());
    let traced = Traced::begin();
    let message = "the driver refuses \"joe\"";
    traced.run(|| {
        drop(info_span!("insert", db.system = "postgresql", otel.status_code = "ERROR", exception.message = message));
        drop(info_span!("call", otel.status_code = "ERROR", exception.message = "the callee refuses \"joe\""));
    });
    let trace = traced.finish();
    assert_eq!(exceptions(&trace, "insert"), [pair("", "the driver refuses \"?\"")]);
    assert_eq!(exceptions(&trace, "call"), [pair("", "the callee refuses \"joe\"")]);
}
