//! Code that asks for the current entity where there is none: the strategy decides, and the code goes on.

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

type Asking = (&'static str, fn());

/// All that asks for the current entity, by what it is told as.
const ASKING: [Asking; 11] = [
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

/// Of these, the ones that ask when the work begins: not where it is made, though that is the line that is named.
const LATER: [&str; 4] = ["async", "callback", "future", "try future"];

fn poll(future: impl Future) {
    _ = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
}

fn install(strategy: ContextMissing) -> Arc<Mutex<Vec<String>>> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink = told.clone();
    let builder = Recorder::builder().context_missing(strategy).on_diagnostic(move |diagnostic| {
        if diagnostic.cause() == xray_core::diagnostics::Cause::ContextMissing {
            sink.lock().unwrap().push(format!("{} {diagnostic}", diagnostic.level()));
        }
    });
    let _flush = builder.build().unwrap().install();
    told
}

/// Nothing asks: these take what there is.
fn ask_quietly() {
    assert!(try_current().is_none());
    in_current(|| assert!(try_current().is_none()))();
    drop(async {}.in_current());
    drop(capture_async("async", async |_| {}));
    drop(capture_callback("callback", |()| {}));
    drop(async {}.in_subsegment("future"));
}

#[test]
fn log_tells_once_and_goes_on() {
    if !child::is_child() {
        child::run("log_tells_once_and_goes_on", &[]);
        return;
    }
    let told = install(ContextMissing::Log);
    ask_quietly();
    assert!(told.lock().unwrap().is_empty());
    for (_, ask) in ASKING {
        ask();
    }
    assert_eq!(current_for_call("a call").trace_header(), None);
    let told = told.lock().unwrap();
    let [line] = &told[..] else { panic!("{told:?}") };
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
fn panic_panics_where_the_user_asked_but_not_in_calls() {
    if !child::is_child() {
        child::run("panic_panics_where_the_user_asked_but_not_in_calls", &[]);
        return;
    }
    let told = install(ContextMissing::Panic);
    ask_quietly();
    let line = Arc::new(Mutex::new(String::new()));
    let panicked_at = line.clone();
    std::panic::set_hook(Box::new(move |info| *panicked_at.lock().unwrap() = info.location().unwrap().to_string()));
    for (what, ask) in ASKING {
        let panic = catch_unwind(ask).expect_err(what);
        let message = panic.downcast_ref::<String>().unwrap();
        let line = line.lock().unwrap();
        let is_later = LATER.contains(&what);
        assert!(is_later || line.starts_with(file!()), "the panic of {what} points at {line}");
        let line = if is_later { file!() } else { &*line };
        let want = format!("no current segment or subsegment for {what:?} at {line}:");
        assert!(message.starts_with(&want), "{message}");
    }
    drop(std::panic::take_hook());
    assert!(told.lock().unwrap().is_empty());
    assert!(!current_for_call("a call").is_recording());
    assert_eq!(told.lock().unwrap().len(), 1, "a call goes out, and the panic is a log line");
    // A trace that is not recorded is no missing context.
    let segment = Recorder::disabled().begin("shop");
    let _in = segment.enter();
    ASKING.iter().for_each(|(_, ask)| ask());
}

#[test]
fn ignore_says_nothing() {
    if !child::is_child() {
        child::run("ignore_says_nothing", &[]);
        return;
    }
    let told = install(ContextMissing::Ignore);
    ASKING.iter().for_each(|(_, ask)| ask());
    assert!(!current_for_call("a call").is_recording());
    assert!(told.lock().unwrap().is_empty());
}

#[test]
fn call_hands_each_case_to_the_function() {
    if !child::is_child() {
        child::run("call_hands_each_case_to_the_function", &[]);
        return;
    }
    let cases = Arc::new(Mutex::new(Vec::new()));
    let sink = cases.clone();
    let told = install(ContextMissing::Call(Arc::new(move |missing| {
        sink.lock().unwrap().push(missing.what().to_owned());
        assert!(missing.to_string().contains(&format!("{:?}", missing.what())));
        assert_eq!(missing.location().is_some(), missing.what() != "a call");
        // It may use the SDK, and even fail where a call must go out.
        assert!(try_current().is_none());
        assert_ne!(missing.what(), "a call");
    })));
    ask_quietly();
    ASKING.iter().for_each(|(_, ask)| ask());
    assert!(!current_for_call("a call").is_recording());
    let want: Vec<_> = ASKING.iter().map(|(what, _)| *what).chain(["a call"]).collect();
    assert_eq!(*cases.lock().unwrap(), want);
    assert_eq!(told.lock().unwrap().len(), 1, "the panic of the function is a log line");
}

#[test]
fn a_disabled_recorder_misses_nothing() {
    if !child::is_child() {
        child::run("a_disabled_recorder_misses_nothing", &[("AWS_XRAY_SDK_ENABLED", "false")]);
        return;
    }
    let told = install(ContextMissing::Panic);
    ASKING.iter().for_each(|(_, ask)| ask());
    assert!(!current_for_call("a call").is_recording());
    assert!(told.lock().unwrap().is_empty());
}

#[test]
fn what_runs_without_a_context_returns_as_always() {
    if !child::is_child() {
        child::run("what_runs_without_a_context_returns_as_always", &[("AWS_XRAY_CONTEXT_MISSING", "ignore_error")]);
        return;
    }
    assert!(!capture("n", |subsegment| subsegment.is_recording()));
    assert!(try_capture("n", |_| "x".parse::<u8>()).is_err());
    assert_eq!(capture_callback("n", |n: u8| n + 1)(1), 2);
    let panic = catch_unwind(AssertUnwindSafe(|| capture("n", |_| panic!("own")))).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"own"));
    // A segment begun by hand needs no context.
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin_from("shop", &TraceHeader::default());
    segment.subsegment("by hand").close();
    segment.close();
    assert_eq!(traces.take().single().tree(), "shop\n  by hand\n");
}

#[test]
fn what_asks_before_the_installation_is_reported_and_leaves_the_process_without_a_recorder() {
    if !child::is_child() {
        let name = "what_asks_before_the_installation_is_reported_and_leaves_the_process_without_a_recorder";
        child::run(name, &[("AWS_XRAY_CONTEXT_MISSING", "RUNTIME_ERROR")]);
        return;
    }
    for (what, ask) in ASKING {
        let panic = catch_unwind(ask).expect_err(what);
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
fn a_logger_that_uses_the_sdk_while_the_recorder_is_made_gets_one() {
    struct Traced;
    impl log::Log for Traced {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }
        fn log(&self, record: &log::Record<'_>) {
            LOGGED.fetch_add(1, SeqCst);
            assert!(record.args().to_string().contains("AWS_XRAY_DAEMON_ADDRESS"));
            // What it misses itself is not reported to it.
            capture("write log", |_| annotate("n", 1));
            Recorder::global().begin("log").close();
            current().annotate("n", 1);
        }
        fn flush(&self) {}
    }
    static LOGGED: AtomicUsize = AtomicUsize::new(0);
    if !child::is_child() {
        let name = "a_logger_that_uses_the_sdk_while_the_recorder_is_made_gets_one";
        child::run(name, &[("AWS_XRAY_DAEMON_ADDRESS", "nonsense")]);
        return;
    }
    log::set_logger(&Traced).unwrap();
    log::set_max_level(log::LevelFilter::Error);
    let made = std::thread::spawn(Recorder::global);
    let one: *const Recorder = Recorder::global();
    assert!(std::ptr::eq(one, made.join().unwrap()));
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
