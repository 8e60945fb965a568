//! The capture functions: what they record, what they return, and when their subsegments close.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_util::FutureExt as _;
use tokio::task::yield_now;
use xray_core::serde_json::json;
use xray_core::testing::{Trace, Traces};
use xray_core::{
    FutureExt, Recorder, Segment, Subsegment, capture, capture_async, capture_callback, current, try_capture,
};

#[derive(Debug, PartialEq)]
struct OutOfStock;

impl fmt::Display for OutOfStock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("out of stock")
    }
}

impl std::error::Error for OutOfStock {}

/// Runs `work` as the code of a segment, and returns its result and the trace.
fn traced<T>(work: impl FnOnce(&Segment) -> T) -> (T, Trace) {
    let (recorder, traces): (Recorder, Traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    let result = {
        let _in = segment.enter();
        work(&segment)
    };
    segment.close();
    (result, traces.take().single())
}

/// Runs a future to completion on this thread.
fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
}

#[test]
fn every_capture_function_returns_the_result_of_its_code() {
    let (results, trace) = traced(|_| {
        (
            capture("capture", |subsegment| subsegment.annotate("n", 1).is_recording()),
            try_capture("try", |_| Ok::<_, OutOfStock>(2)),
            run(capture_async("async", async |subsegment| {
                subsegment.annotate("n", 3);
                yield_now().await;
                3
            })),
            capture_callback("callback", |n: i32| n * 2)(2),
            run(async { "five" }.in_subsegment("future")),
            run(async { Ok::<_, OutOfStock>(6) }.try_in_subsegment("try future")),
        )
    });
    assert_eq!(results, (true, Ok(2), 3, 4, "five", Ok(6)));
    let want = "shop\n  capture [n=1]\n  try\n  async [n=3]\n  callback\n  future\n  try future\n";
    assert_eq!(trace.tree(), want);
}

#[test]
fn an_error_is_recorded_on_its_subsegment_and_returned() {
    let (results, trace) = traced(|_| {
        (
            try_capture("try", |_| Err::<(), _>(OutOfStock)),
            run(async { Err::<(), _>(OutOfStock) }.try_in_subsegment("try future")),
            // Without `try`, an error is a value like any other.
            capture("capture", |_| Err::<(), _>(OutOfStock)),
        )
    });
    assert_eq!(results, (Err(OutOfStock), Err(OutOfStock), Err(OutOfStock)));
    assert_eq!(trace.tree(), "shop\n  try fault\n  try future fault\n  capture\n");
    for name in ["try", "try future"] {
        let exception = &trace.find(name).json()["cause"]["exceptions"][0];
        assert_eq!((&exception["type"], &exception["message"]), (&json!("OutOfStock"), &json!("out of stock")));
        assert_eq!((&exception["remote"], exception["stack"].is_array()), (&json!(false), true));
    }
}

#[test]
fn a_panic_is_recorded_with_its_message_and_propagates() {
    let (_, trace) = traced(|segment| {
        let number = 7;
        let doors: [(&str, &dyn Fn()); 5] = [
            ("capture", &|| capture("capture", |_| panic!("no {number}"))),
            ("try", &|| drop(try_capture("try", |_| -> Result<(), OutOfStock> { panic!("no {number}") }))),
            ("async", &|| run(capture_async("async", async |_| panic!("no {number}")))),
            ("callback", &|| capture_callback("callback", |()| panic!("no {number}"))(())),
            ("future", &|| run(async { panic!("no {number}") }.in_subsegment("future"))),
        ];
        for (door, run) in doors {
            let panic = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
            assert_eq!(panic.downcast_ref::<String>().unwrap(), "no 7", "{door}");
            assert_eq!(current().id(), segment.id(), "{door}");
        }
    });
    assert_eq!(trace.tree(), "shop\n  capture fault\n  try fault\n  async fault\n  callback fault\n  future fault\n");
    for name in ["capture", "try", "async", "callback", "future"] {
        let exception = &trace.find(name).json()["cause"]["exceptions"][0];
        assert_eq!((&exception["type"], &exception["message"]), (&json!("panic"), &json!("no 7")), "{name}");
    }
}

#[test]
fn a_future_dropped_before_its_end_is_recorded_as_cancelled() {
    let ((), trace) = traced(|_| {
        for future in [
            capture_async("async", async |_| yield_now().await).boxed_local(),
            yield_now().in_subsegment("future").boxed_local(),
            async {
                yield_now().await;
                Ok::<_, OutOfStock>(())
            }
            .try_in_subsegment("try future")
            .map(drop)
            .boxed_local(),
        ] {
            assert!(pin!(future).as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
    });
    assert_eq!(trace.tree(), "shop\n  async\n  future\n  try future\n");
    for name in ["async", "future", "try future"] {
        assert_eq!(trace.find(name).metadata("xray", "cancelled"), true, "{name}");
    }
}

#[test]
fn code_that_is_never_polled_or_called_records_nothing() {
    let ((), trace) = traced(|_| {
        drop(capture_async("async", async |_| {}));
        drop(async {}.in_subsegment("future"));
        drop(async { Ok::<_, OutOfStock>(()) }.try_in_subsegment("try future"));
        drop(capture_callback("callback", |()| {}));
    });
    assert_eq!(trace.tree(), "shop\n");
}

#[test]
fn the_subsegment_is_current_in_its_code_and_the_parent_of_nested_captures() {
    let (_, trace) = traced(|_| {
        capture("1", |one| {
            assert_eq!(current().id(), one.id());
            let callback = capture_callback("called later", |()| capture("in callback", |_| {}));
            run(capture_async("2", async |two| {
                assert_eq!(current().id(), two.id());
                try_capture("3", |_| Ok::<_, OutOfStock>(capture("4", |_| 4))).unwrap();
            }));
            callback(());
        });
    });
    let want = "shop\n  1\n    2\n      3\n        4\n    called later\n      in callback\n";
    assert_eq!(trace.tree(), want);
}

#[test]
fn a_handle_kept_from_the_code_does_not_keep_the_subsegment_open() {
    let (kept, trace) = traced(|_| {
        let kept = Cell::new(None::<Subsegment>);
        let keep = |subsegment: &Subsegment| kept.set(Some(subsegment.clone()));
        capture("capture", keep);
        let first = kept.take();
        run(capture_async("async", async |subsegment| keep(subsegment)));
        let second = kept.take();
        let mut cancelled = Box::pin(capture_async("cancelled", async |subsegment| {
            keep(subsegment);
            yield_now().await;
        }));
        assert!(cancelled.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(cancelled);
        [first, second, kept.take()].map(|kept| kept.unwrap().is_recording())
    });
    assert_eq!(kept, [false; 3]);
    assert_eq!(trace.tree(), "shop\n  capture\n  async\n  cancelled\n");
}

#[test]
fn a_subsegment_that_the_code_closes_early_is_recorded_once() {
    let (result, trace) = traced(|segment| {
        let result = try_capture("early", |subsegment| {
            subsegment.close();
            Err::<(), _>(OutOfStock)
        });
        // The error is not recorded yet.
        segment.fault(result.as_ref().unwrap_err());
        result
    });
    assert_eq!(result, Err(OutOfStock));
    assert_eq!(trace.tree(), "shop fault\n  early\n");
    assert_eq!(trace.root().json()["cause"]["exceptions"][0]["message"], "out of stock");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn captured_futures_can_be_spawned() {
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    let work = segment.scope(async {
        let owned = Arc::new("owned".to_owned());
        let task = tokio::spawn(capture_async("owned", async move |subsegment: &Subsegment| {
            yield_now().await;
            subsegment.annotate("text", &*owned);
            owned.len()
        }));
        assert_eq!(task.await.unwrap(), 5);

        let borrowed = "borrowed".to_owned();
        let length = capture_async("borrowed", async |subsegment| {
            yield_now().await;
            subsegment.annotate("text", &borrowed);
            borrowed.len()
        })
        .await;
        assert_eq!(length, borrowed.len());

        tokio::spawn(yield_now().in_subsegment("future")).await.unwrap();
        let fallible = async { Err::<(), _>(OutOfStock) }.try_in_subsegment("fallible");
        assert_eq!(tokio::spawn(fallible).await.unwrap(), Err(OutOfStock));
        let callback = capture_callback("callback", |n: u8| assert_eq!(n, 7));
        std::thread::spawn(move || callback(7)).join().unwrap();
    });
    work.await;
    segment.close();
    let want = "shop\n  owned [text=owned]\n  borrowed [text=borrowed]\n  future\n  fallible fault\n  callback\n";
    assert_eq!(traces.take().single().tree(), want);
}

#[test]
fn captured_code_of_an_unsampled_trace_runs_and_records_nothing() {
    let (recorder, traces) = Recorder::in_memory();
    let header = xray_core::TraceHeader::parse("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0");
    let segment = recorder.begin_from("shop", &header);
    let _in = segment.enter();
    let is_quiet = |subsegment: &Subsegment| !subsegment.is_recording() && !current().is_sampled();
    assert!(capture("capture", is_quiet));
    assert!(run(capture_async("async", async |subsegment| is_quiet(subsegment))));
    assert!(capture_callback("callback", |()| !current().is_sampled())(()));
    assert_eq!(try_capture("try", |_| Err::<(), _>(OutOfStock)), Err(OutOfStock));
    assert!(run(async { !current().is_sampled() }.in_subsegment("future")));
    assert!(traces.take().documents().is_empty());
}
