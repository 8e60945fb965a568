//! Code that needs the current entity where there is none: the strategy applies, and the code continues.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use xray_core::context::{ContextMissing, current_for_call};
use xray_core::{FutureExt, Recorder, TraceHeader, annotate, capture, capture_async, capture_callback, current};
use xray_core::{current_segment, in_current, subsegment, try_capture, try_capture_error, try_current};

#[path = "support/child.rs"]
mod child;

type Use = (&'static str, fn());

/// Everything that needs the current entity, by its name in messages.
const USES: [Use; 11] = [
    ("current()", || {
        current().annotate("n", 1);
    }),
    ("current_segment()", || {
        current_segment().set_user("user");
    }),
    ("n", || {
        annotate("n", 1);
    }),
    ("step", || subsegment("step").close()),
    ("capture", || capture("capture", |_| {})),
    ("try", || drop(try_capture("try", |_| "x".parse::<u8>()))),
    ("try error", || drop(try_capture_error("try error", |_| "x".parse::<u8>()))),
    ("async", || poll(capture_async("async", async |_| {}))),
    ("callback", || capture_callback("callback", |()| {})(())),
    ("future", || poll(async {}.in_subsegment("future"))),
    ("try future", || poll(async { "x".parse::<u8>() }.try_in_subsegment("try future"))),
];

/// Those that need it when their work starts. Messages name the line where the work is created.
const LATER: [&str; 4] = ["async", "callback", "future", "try future"];

fn poll(future: impl Future) {
    _ = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
}

fn install(strategy: ContextMissing) -> Arc<Mutex<Vec<String>>> {
    let reports = Arc::new(Mutex::new(Vec::new()));
    let sink = reports.clone();
    let builder = Recorder::builder().context_missing(strategy).on_diagnostic(move |diagnostic| {
        if diagnostic.cause() == xray_core::diagnostics::Cause::ContextMissing {
            sink.lock().unwrap().push(format!("{} {diagnostic}", diagnostic.level()));
        }
    });
    let _flush = builder.build().unwrap().install();
    reports
}

/// Uses the functions that accept a missing context.
fn use_without_report() {
    assert!(try_current().is_none());
    in_current(|| assert!(try_current().is_none()))();
    drop(async {}.in_current());
    drop(capture_async("async", async |_| {}));
    drop(capture_callback("callback", |()| {}));
    drop(async {}.in_subsegment("future"));
}

#[test]
fn log_reports_once_and_the_code_continues() {
    if !child::is_child() {
        child::run("log_reports_once_and_the_code_continues", &[]);
        return;
    }
    let reports = install(ContextMissing::Log);
    use_without_report();
    assert!(reports.lock().unwrap().is_empty());
    for (_, use_it) in USES {
        use_it();
    }
    assert_eq!(current_for_call("a call").trace_header(), None);
    let reports = reports.lock().unwrap();
    let [line] = &reports[..] else { panic!("{reports:?}") };
    let file = file!();
    assert!(
        line.starts_with(&format!("ERROR no current segment or subsegment for \"current()\" at {file}:")),
        "{line}"
    );
    let advice = "this code runs outside a traced request, or in a task or thread that does not have its context. Carry \
                  it there by `future.in_current()` or `in_current(|| ..)`";
    assert!(line.ends_with(advice), "{line}");
}

#[test]
fn panic_panics_in_user_code_but_not_in_calls() {
    if !child::is_child() {
        child::run("panic_panics_in_user_code_but_not_in_calls", &[]);
        return;
    }
    let reports = install(ContextMissing::Panic);
    use_without_report();
    let line = Arc::new(Mutex::new(String::new()));
    let panicked_at = line.clone();
    std::panic::set_hook(Box::new(move |info| *panicked_at.lock().unwrap() = info.location().unwrap().to_string()));
    for (what, use_it) in USES {
        let panic = catch_unwind(use_it).expect_err(what);
        let message = panic.downcast_ref::<String>().unwrap();
        let line = line.lock().unwrap();
        let is_later = LATER.contains(&what);
        assert!(is_later || line.starts_with(file!()), "the panic of {what} points at {line}");
        let line = if is_later { file!() } else { &*line };
        let want = format!("no current segment or subsegment for {what:?} at {line}:");
        assert!(message.starts_with(&want), "{message}");
    }
    drop(std::panic::take_hook());
    assert!(reports.lock().unwrap().is_empty());
    assert!(!current_for_call("a call").is_recording());
    assert_eq!(reports.lock().unwrap().len(), 1, "a call is made, and the panic is logged instead");
    // A trace that is not recorded does not count as a missing context.
    let segment = Recorder::disabled().begin("shop");
    let _in = segment.enter();
    USES.iter().for_each(|(_, use_it)| use_it());
}

#[test]
fn ignore_reports_nothing() {
    if !child::is_child() {
        child::run("ignore_reports_nothing", &[]);
        return;
    }
    let reports = install(ContextMissing::Ignore);
    USES.iter().for_each(|(_, use_it)| use_it());
    assert!(!current_for_call("a call").is_recording());
    assert!(reports.lock().unwrap().is_empty());
}

#[test]
fn call_passes_each_case_to_the_function() {
    if !child::is_child() {
        child::run("call_passes_each_case_to_the_function", &[]);
        return;
    }
    let cases = Arc::new(Mutex::new(Vec::new()));
    let sink = cases.clone();
    let reports = install(ContextMissing::Call(Arc::new(move |missing| {
        sink.lock().unwrap().push(missing.what().to_owned());
        assert!(missing.to_string().contains(&format!("{:?}", missing.what())));
        assert_eq!(missing.location().is_some(), missing.what() != "a call");
        // It may use the SDK, and even panic for a call, which must be made.
        assert!(try_current().is_none());
        assert_ne!(missing.what(), "a call");
    })));
    use_without_report();
    USES.iter().for_each(|(_, use_it)| use_it());
    assert!(!current_for_call("a call").is_recording());
    let want: Vec<_> = USES.iter().map(|(what, _)| *what).chain(["a call"]).collect();
    assert_eq!(*cases.lock().unwrap(), want);
    assert_eq!(reports.lock().unwrap().len(), 1, "the panic of the function is logged");
}

#[test]
fn a_disabled_recorder_reports_no_missing_context() {
    if !child::is_child() {
        child::run("a_disabled_recorder_reports_no_missing_context", &[("AWS_XRAY_SDK_ENABLED", "false")]);
        return;
    }
    let reports = install(ContextMissing::Panic);
    USES.iter().for_each(|(_, use_it)| use_it());
    assert!(!current_for_call("a call").is_recording());
    assert!(reports.lock().unwrap().is_empty());
}

#[test]
fn code_without_a_context_returns_its_result() {
    if !child::is_child() {
        child::run("code_without_a_context_returns_its_result", &[("AWS_XRAY_CONTEXT_MISSING", "ignore_error")]);
        return;
    }
    assert!(!capture("n", |subsegment| subsegment.is_recording()));
    assert!(try_capture("n", |_| "x".parse::<u8>()).is_err());
    assert_eq!(capture_callback("n", |n: u8| n + 1)(1), 2);
    let panic = catch_unwind(AssertUnwindSafe(|| capture("n", |_| panic!("own")))).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"own"));
    // A segment that is begun explicitly needs no context.
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin_from("shop", &TraceHeader::default());
    segment.subsegment("by hand").close();
    segment.close();
    assert_eq!(traces.take().single().tree(), "shop\n  by hand\n");
}

#[test]
fn use_before_the_installation_is_reported_and_creates_no_recorder() {
    if !child::is_child() {
        let name = "use_before_the_installation_is_reported_and_creates_no_recorder";
        child::run(name, &[("AWS_XRAY_CONTEXT_MISSING", "RUNTIME_ERROR")]);
        return;
    }
    for (what, use_it) in USES {
        let panic = catch_unwind(use_it).expect_err(what);
        assert!(panic.downcast_ref::<String>().unwrap().contains(what), "the environment's strategy applies");
    }
    assert!(!current_for_call("a call").is_recording());
    let (recorder, traces) = Recorder::in_memory();
    let installed = recorder.install();
    assert!(installed.is_active());
    Recorder::global().begin("shop").close();
    assert_eq!(traces.take().single().tree(), "shop\n");
    let late = Recorder::disabled().install();
    assert!(!late.is_active() && installed.is_active());
}

#[test]
fn a_logger_may_use_the_sdk_while_the_recorder_is_created() {
    struct Traced;
    impl log::Log for Traced {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }
        fn log(&self, record: &log::Record<'_>) {
            LOGGED.fetch_add(1, SeqCst);
            assert!(record.args().to_string().contains("AWS_XRAY_DAEMON_ADDRESS"));
            // A missing context in the logger itself is not reported to it.
            capture("write log", |_| annotate("n", 1));
            Recorder::global().begin("log").close();
            current().annotate("n", 1);
        }
        fn flush(&self) {}
    }
    static LOGGED: AtomicUsize = AtomicUsize::new(0);
    if !child::is_child() {
        let name = "a_logger_may_use_the_sdk_while_the_recorder_is_created";
        child::run(name, &[("AWS_XRAY_DAEMON_ADDRESS", "nonsense")]);
        return;
    }
    log::set_logger(&Traced).unwrap();
    log::set_max_level(log::LevelFilter::Error);
    let other = std::thread::spawn(Recorder::global);
    let one: *const Recorder = Recorder::global();
    assert!(std::ptr::eq(one, other.join().unwrap()));
    assert!(LOGGED.load(SeqCst) > 0);
}

#[test]
fn strategies_are_read_from_text_in_any_case() {
    for (text, want) in [
        ("LOG_ERROR", Some("Log")),
        (" log_error ", Some("Log")),
        ("RUNTIME_ERROR", Some("Panic")),
        ("Ignore_Error", Some("Ignore")),
        ("", None),
        ("PANIC", None),
        ("LOG ERROR", None),
    ] {
        let parsed = text.parse::<ContextMissing>();
        assert_eq!(parsed.as_ref().ok().map(|strategy| format!("{strategy:?}")).as_deref(), want, "{text:?}");
        assert!(parsed.is_ok() || parsed.unwrap_err().to_string().contains("RUNTIME_ERROR"));
    }
}
