//! Failures are described once, with their causes, and by reference on their way up.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use std::backtrace::Backtrace;
use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Waker};

use xray_core::serde_json::{Value, json};
use xray_core::testing::{Recorded, Trace};
use xray_core::{Exception, FutureExt, Recorder, Segment, capture, try_capture};

/// An error with a cause.
#[derive(Debug)]
struct Failed(&'static str, Option<Box<Failed>>);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Failed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.1.as_deref().map(|error| error as &(dyn Error + 'static))
    }
}

fn failed(message: &'static str) -> Failed {
    Failed(message, None)
}

impl Failed {
    fn within(self, message: &'static str) -> Failed {
        Failed(message, Some(Box::new(self)))
    }
}

fn traced(work: impl FnOnce(&Segment)) -> Trace {
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    {
        let _in = segment.enter();
        work(&segment);
    }
    segment.close();
    traces.take().single()
}

fn exceptions(of: &Recorded) -> &[Value] {
    of.json()["cause"]["exceptions"].as_array().map_or(&[], Vec::as_slice)
}

fn messages(of: &Recorded) -> Vec<&str> {
    exceptions(of).iter().filter_map(|exception| exception["message"].as_str()).collect()
}

#[test]
fn a_chain_of_sources_is_linked_by_cause() {
    let trace = traced(|segment| {
        segment.fault(failed("refused").within("no connection").within("no order"));
    });
    let all = exceptions(trace.root());
    assert_eq!(messages(trace.root()), ["no order", "no connection", "refused"]);
    for exception in all {
        assert_eq!(exception["type"], "Failed");
        assert_eq!(exception["id"].as_str().map(str::len), Some(16));
    }
    assert_eq!([&all[0]["cause"], &all[1]["cause"]], [&all[1]["id"], &all[2]["id"]]);
    assert_eq!(all[2].get("cause"), None);
    assert!(trace.root().json()["cause"]["working_directory"].is_string());
}

#[test]
fn an_error_is_described_once_and_referred_to_on_its_way_up() {
    let trace = traced(|segment| {
        let result = try_capture("handler", |_| {
            try_capture("service", |_| try_capture("query", |_| Err::<(), _>(failed("refused"))))
        });
        segment.fault(result.unwrap_err());
    });
    assert_eq!(trace.tree(), "shop fault\n  handler fault\n    service fault\n      query fault\n");
    let [described] = exceptions(trace.find("query")) else { panic!("{}", trace.find("query").json()) };
    for above in ["service", "handler", "shop"] {
        assert_eq!(trace.find(above).json()["cause"], described["id"], "{above}");
    }
}

#[test]
fn an_error_that_wraps_a_recorded_one_refers_to_it() {
    let trace = traced(|segment| {
        let inner = try_capture("query", |_| Err::<(), _>(failed("refused"))).unwrap_err();
        segment.fault(inner.within("no connection").within("no order"));
    });
    let query = &exceptions(trace.find("query"))[0];
    let [order, connection] = exceptions(trace.root()) else { panic!("{}", trace.root().json()) };
    assert_eq!([&order["cause"], &connection["cause"]], [&connection["id"], &query["id"]]);
}

#[test]
fn siblings_that_fail_alike_are_each_described() {
    let trace = traced(|_| {
        for name in ["a", "b"] {
            assert!(try_capture(name, |_| Err::<(), _>(failed("refused"))).is_err());
        }
    });
    assert_eq!([messages(trace.find("a")), messages(trace.find("b"))], [["refused"], ["refused"]]);
    assert_ne!(exceptions(trace.find("a"))[0]["id"], exceptions(trace.find("b"))[0]["id"]);
}

#[test]
fn clones_of_an_exception_are_the_same_and_equal_ones_are_not() {
    let trace = traced(|segment| {
        let made = Exception::new("Kind", "text");
        segment.subsegment("a").fault(made.clone());
        segment.subsegment("b").fault(made.clone());
        segment.subsegment("c").fault(Exception::new("Kind", "text"));
        segment.error(made);
    });
    let id = &exceptions(trace.find("a"))[0]["id"];
    assert_eq!(&trace.find("b").json()["cause"], id);
    assert_ne!(&exceptions(trace.find("c"))[0]["id"], id);
    // Only the last failure is remembered, and another one occurred in between.
    assert_eq!(messages(trace.root()), ["text"]);
    assert!(trace.root().has("error") && !trace.root().has("fault"));
}

#[test]
fn segments_list_the_oldest_exception_first_and_subsegments_the_newest() {
    let trace = traced(|segment| {
        let subsegment = segment.subsegment("sub");
        for text in ["one", "two", "three"] {
            subsegment.fault(text);
            segment.fault(text.to_uppercase());
        }
    });
    assert_eq!(messages(trace.root()), ["ONE", "TWO", "THREE"]);
    assert_eq!(messages(trace.find("sub")), ["three", "two", "one"]);
}

#[test]
fn errors_of_every_form_are_described() {
    let parse = "x".parse::<u8>().unwrap_err();
    let boxed: Box<dyn Error + Send + Sync> = Box::new(failed("boxed"));
    let local: Box<dyn Error> = Box::new(failed("local"));
    let io = std::io::Error::other("disk");
    for (exception, kind, message) in [
        (Exception::from("text"), "", "text"),
        (Exception::from("text".to_owned()), "", "text"),
        (Exception::from(&parse), "ParseIntError", "invalid digit found in string"),
        (Exception::from(&*boxed), "Failed", "boxed"),
        (Exception::from(&*local), "Failed", "local"),
        (Exception::from(&io as &(dyn Error + 'static)), "io::Error", "disk"),
        (Exception::new("Throttled", "slow down").remote(true), "Throttled", "slow down"),
    ] {
        let remote = kind == "Throttled";
        let trace = traced(|segment| {
            segment.fault(exception);
        });
        let [described] = exceptions(trace.root()) else { panic!("{}", trace.root().json()) };
        let mut described = described.clone();
        described.as_object_mut().unwrap().remove("id");
        assert_eq!(described, json!({"message": message, "type": kind, "remote": remote, "stack": []}));
    }
}

#[test]
fn backtraces_are_recorded_on_request() {
    for asked in [false, true] {
        let emitter = xray_core::emit::MemoryEmitter::new();
        let builder = Recorder::builder().sampling(xray_core::sampling::Always).emitter(emitter.clone());
        let segment = builder.capture_backtraces(asked).build().unwrap().begin("shop");
        segment.fault(failed("refused"));
        segment.close();
        let document: Value = emitter.take()[0].json().parse().unwrap();
        let stack = document["cause"]["exceptions"][0]["stack"].as_array().unwrap();
        assert_eq!(!stack.is_empty(), asked);
        let own =
            |frame: &Value| frame["label"].as_str().is_some_and(|label| label.contains("backtraces_are_recorded"));
        assert_eq!(stack.iter().any(own), asked, "{stack:#?}");
        assert!(stack.iter().all(|frame| frame["path"].is_string() && frame["line"].is_u64()));
    }
    let own = Exception::new("Kind", "text").backtrace(&Backtrace::force_capture());
    assert!(
        !exceptions(
            traced(|segment| {
                segment.fault(own);
            })
            .root()
        )[0]["stack"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_stack_keeps_a_hundred_frames_and_the_number_of_the_others() {
    fn deep(depth: usize) -> Exception {
        match depth {
            0 => Exception::new("Deep", "stack").backtrace(&Backtrace::force_capture()),
            _ => std::hint::black_box(deep(depth - 1)).remote(false),
        }
    }
    let trace = traced(|segment| {
        segment.fault(deep(150));
    });
    let exception = &exceptions(trace.root())[0];
    assert_eq!(exception["stack"].as_array().unwrap().len(), 100);
    assert!(exception["truncated"].as_u64().unwrap() >= 50, "{exception}");
}

#[test]
fn messages_and_types_are_limited_in_length() {
    let trace = traced(|segment| {
        capture("exceptions", |subsegment| {
            for number in 0..40 {
                subsegment.fault(format!("{number}"));
            }
        });
        let chain = (0..20).fold(failed("root"), |error, _| error.within("above"));
        segment.subsegment("chain").fault(&chain);
        segment.subsegment("message").fault("ä".repeat(5000));
        segment.subsegment("type").fault(Exception::new("K".repeat(300), "text"));
    });
    assert_eq!(exceptions(trace.find("exceptions")).len(), 32);
    assert_eq!(exceptions(trace.find("chain")).len(), 10);
    assert_eq!(messages(trace.find("message")), ["ä".repeat(4096)]);
    assert_eq!(exceptions(trace.find("type"))[0]["type"].as_str().map(str::len), Some(200));
}

#[test]
fn an_exception_that_no_document_describes_is_never_referred_to() {
    let trace = traced(|segment| {
        let full = segment.subsegment("full");
        for number in 0..40 {
            full.fault(format!("{number}"));
        }
        let error = failed("one too many");
        full.fault(&error);
        full.close();
        segment.fault(&error);
    });
    assert_eq!(messages(trace.root()), ["one too many"]);

    let trace = traced(|segment| {
        let closed = segment.subsegment("closed");
        closed.close();
        let error = failed("too late");
        closed.fault(&error);
        segment.fault(&error);
    });
    assert_eq!(messages(trace.root()), ["too late"]);
}

#[test]
fn an_error_whose_own_code_panics_is_still_recorded() {
    struct Mean(bool);
    impl fmt::Debug for Mean {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            // Only part of the text may be requested.
            write!(f, "Mean").unwrap();
            f.write_str("(more)").unwrap();
            Ok(())
        }
    }
    impl fmt::Display for Mean {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            if self.0 { panic!("no text") } else { f.write_str("mean") }
        }
    }
    impl Error for Mean {}
    let trace = traced(|_| {
        assert!(try_capture("display", |_| Err::<(), _>(Mean(true))).is_err());
        capture("debug", |subsegment| {
            subsegment.fault(&Mean(false) as &(dyn Error + 'static));
        });
    });
    assert_eq!(trace.tree(), "shop\n  display fault\n  debug fault\n");
}

#[test]
fn a_panic_that_passes_several_captures_is_one_exception() {
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _in = segment.enter();
        capture("outer", |_| {
            let held = xray_core::subsegment("held");
            let _held = held.enter();
            capture("middle", |_| capture("inner", |_| -> () { panic!("out of paper") }))
        });
    }));
    segment.fault(Exception::from_panic(&*panicked.unwrap_err()));
    // Another panic with the same text is another exception.
    for name in ["again", "and again"] {
        let _in = segment.enter();
        let again = catch_unwind(|| capture(name, |_| -> () { panic!("out of paper") }));
        assert!(again.is_err());
    }
    segment.close();
    let trace = traces.take().single();
    let exception = &exceptions(trace.find("inner"))[0];
    assert_eq!((&exception["type"], &exception["message"]), (&"panic".into(), &"out of paper".into()));
    for name in ["middle", "held", "outer"] {
        assert_eq!(trace.find(name).json()["cause"], exception["id"], "{name}");
        assert_eq!(trace.find(name).json()["fault"], true, "{name}");
    }
    assert_eq!(trace.root().json()["cause"], exception["id"]);
    for name in ["again", "and again"] {
        assert_eq!(messages(trace.find(name)), ["out of paper"]);
    }
}

#[test]
fn recording_in_a_destructor_during_a_panic_is_not_a_fault() {
    struct CleansUp;
    impl Drop for CleansUp {
        fn drop(&mut self) {
            capture("capture", |_| capture("inner", |_| ()));
            drop(xray_core::subsegment("handle"));
            drop(xray_core::subsegment("entered").enter());
            let failed = catch_unwind(|| capture("fails", |_| -> () { panic!("while cleaning up") }));
            assert!(failed.is_err());
            let future = std::pin::pin!(async {}.in_subsegment("future"));
            _ = future.poll(&mut Context::from_waker(Waker::noop()));
        }
    }
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _in = segment.enter();
        capture("work", |_| {
            let _cleans_up = CleansUp;
            panic!("out of paper")
        })
    }));
    assert!(panicked.is_err());
    segment.close();
    let children = "    capture\n      inner\n    handle\n    entered\n    fails fault\n    future\n";
    assert_eq!(traces.take().single().tree(), format!("shop\n  work fault\n{children}"));
}
