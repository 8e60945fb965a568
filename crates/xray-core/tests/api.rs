//! Forms of calls that users try: each compiles and works as expected.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use xray_core::emit::{Emitter, MemoryEmitter};
use xray_core::sampling::{Always, Never, Sampler};
use xray_core::{FutureExt, Recorder, SamplingFlag, TraceHeader, capture, try_capture, try_capture_error};

#[derive(Debug)]
struct Jam;

impl fmt::Display for Jam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("paper jam")
    }
}

impl Error for Jam {}

/// Runs `work` in a segment, and returns flags, type and message of the subsegment `work`.
fn recorded(work: impl FnOnce()) -> (bool, bool, String, String) {
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    {
        let _in = segment.enter();
        work();
    }
    segment.close();
    let trace = traces.take().single();
    let work = trace.find("work");
    let exception = &work.json()["cause"]["exceptions"][0];
    let text = |name: &str| exception[name].as_str().unwrap_or_default().to_owned();
    (work.has("error"), work.has("fault"), text("type"), text("message"))
}

/// Ends a chain of calls, whose result is not used outside the closure.
fn ended(_: &xray_core::Subsegment) {}

fn fault(kind: &str, message: &str) -> (bool, bool, String, String) {
    (false, true, kind.to_owned(), message.to_owned())
}

#[test]
fn try_capture_accepts_every_form_of_an_error() {
    let jam = fault("Jam", "paper jam");
    assert_eq!(recorded(|| drop(try_capture("work", |_| Err::<(), _>(Jam)))), jam);
    assert_eq!(recorded(|| drop(try_capture("work", |_| Err::<(), Box<dyn Error>>(Box::new(Jam))))), jam);
    assert_eq!(recorded(|| drop(try_capture("work", |_| Err::<(), Box<dyn Error + Send + Sync>>(Jam.into())))), jam);
    assert_eq!(recorded(|| drop(try_capture("work", |_| Err::<(), _>(Arc::new(Jam))))), jam);
    assert_eq!(recorded(|| drop(try_capture("work", |_| Err::<(), _>(anyhow::Error::new(Jam))))), jam);
    assert_eq!(recorded(|| drop(try_capture("work", |_| Err::<(), _>(eyre::Report::new(Jam))))), jam);
    assert_eq!(recorded(|| _ = try_capture("work", |_| Err::<(), _>("jam"))), fault("", "jam"));
    assert_eq!(recorded(|| drop(try_capture("work", |_| Err::<(), _>("jam".to_owned())))), fault("", "jam"));
    // With `?`, as in an application.
    let read = || -> anyhow::Result<u8> { try_capture("work", |_| Ok("x".parse::<u8>()?)) };
    assert_eq!(recorded(|| drop(read())), fault("ParseIntError", "invalid digit found in string"));
}

#[test]
fn a_failure_of_the_caller_is_an_error_and_not_a_fault() {
    let error = (true, false, "Jam".to_owned(), "paper jam".to_owned());
    assert_eq!(recorded(|| drop(try_capture_error("work", |_| Err::<(), _>(Jam)))), error);
    assert_eq!(recorded(|| drop(try_capture_error("work", |_| Err::<(), _>(anyhow::Error::new(Jam))))), error);
    let run = || {
        let work = async { Err::<(), _>(Jam) }.try_in_subsegment_error("work");
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work).unwrap_err();
    };
    assert_eq!(recorded(run), error);
}

#[test]
fn futures_accept_every_form_of_an_error() {
    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }
    let jam = fault("Jam", "paper jam");
    assert_eq!(recorded(|| drop(run(async { Err::<(), _>(Jam) }.try_in_subsegment("work")))), jam);
    assert_eq!(recorded(|| drop(run(async { Err::<(), _>(anyhow::Error::new(Jam)) }.try_in_subsegment("work")))), jam);
    assert_eq!(
        recorded(|| drop(run(async { Err::<(), Box<dyn Error>>(Box::new(Jam)) }.try_in_subsegment("work")))),
        jam
    );
}

#[test]
fn fault_and_error_accept_values_and_references() {
    let jam = fault("Jam", "paper jam");
    let boxed: Box<dyn Error + Send + Sync> = Box::new(Jam);
    let report = anyhow::Error::new(Jam);
    let text = "jam".to_owned();
    assert_eq!(recorded(|| capture("work", |work| ended(work.fault(Jam)))), jam);
    assert_eq!(recorded(|| capture("work", |work| ended(work.fault(&Jam)))), jam);
    assert_eq!(recorded(|| capture("work", |work| ended(work.fault(&*boxed)))), jam);
    assert_eq!(recorded(|| capture("work", |work| ended(work.fault(&boxed)))), jam);
    assert_eq!(recorded(|| capture("work", |work| ended(work.fault(&report)))), jam);
    assert_eq!(recorded(|| capture("work", |work| ended(work.fault(&text)))), fault("", "jam"));
    assert_eq!(recorded(|| capture("work", |work| ended(work.fault("jam")))), fault("", "jam"));
}

#[test]
fn samplers_and_emitters_may_be_chosen_at_run_time() {
    for (all, want) in [(true, 1), (false, 0)] {
        let memory = MemoryEmitter::new();
        let sampler: Box<dyn Sampler> = if all { Box::new(Always) } else { Box::new(Never) };
        let emitter: Box<dyn Emitter> = Box::new(memory.clone());
        let recorder = Recorder::builder().environment(|_| None).sampling(sampler).emitter(emitter).build().unwrap();
        recorder.begin("shop").close();
        recorder.flush(std::time::Duration::ZERO);
        assert_eq!(memory.take().len(), want);
    }
}

#[test]
fn a_header_is_parsed_by_from_str() {
    let header: TraceHeader<'_> =
        "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=?".parse().unwrap();
    assert_eq!(header.trace_id().unwrap().to_string(), "1-5759e988-bd862e3fe1be46a994272793");
    assert_eq!(header.parent().unwrap().to_string(), "53995c3f42cd8ad8");
    assert_eq!(header.sampled(), Some(SamplingFlag::Requested));
    assert_eq!("garbage".parse::<TraceHeader<'_>>().unwrap(), TraceHeader::default());
}

#[test]
fn annotations_accept_references_and_options() {
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    let (count, name, coupon, note) = (&7_u64, Some("ann".to_owned()), None::<&str>, &Some(true));
    segment.annotate("count", count).annotate("name", &name).annotate("coupon", coupon).annotate("note", note);
    // `None` keeps the previous value.
    segment.annotate("count", None::<u8>);
    segment.close();
    assert_eq!(traces.take().single().tree(), "shop [count=7, name=ann, note=true]\n");
    assert!(traces.take().is_empty());
}

#[test]
fn a_called_service_is_below_the_call() {
    let (recorder, traces) = Recorder::in_memory();
    let shop = recorder.begin("shop");
    let call = shop.subsegment("stock.local");
    let header = call.trace_header().unwrap().to_string();
    let stock = recorder.begin_from("stock", &TraceHeader::parse(&header));
    stock.subsegment("query").close();
    stock.close();
    call.close();
    shop.close();
    let taken = traces.take();
    assert!(!taken.is_empty());
    let trace = taken.single();
    assert_eq!(trace.root().name(), "shop");
    assert_eq!(trace.tree(), "shop\n  stock.local\n    stock\n      query\n");
    assert_eq!(trace.children(trace.find("stock.local"))[0].name(), "stock");
    // Without its caller, the called service is the root.
    let stock = recorder.begin_from("stock", &TraceHeader::parse(&header));
    stock.close();
    assert_eq!(traces.take().single().tree(), "stock\n");
}
