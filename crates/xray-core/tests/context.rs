//! The current entity follows its own code across awaits, tasks and threads, and affects no other code.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures_util::future::{join, join_all};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{spawn_blocking, yield_now};
use xray_core::{EntityId, FutureExt, Recorder, Segment, annotate, capture, capture_async, capture_callback};
use xray_core::{in_current, subsegment, try_current};

fn current_id() -> Option<EntityId> {
    try_current().and_then(|entity| entity.id())
}

fn runtimes() -> [Runtime; 2] {
    [Builder::new_current_thread(), Builder::new_multi_thread()]
        .map(|mut builder| builder.worker_threads(4).enable_time().build().expect("a runtime starts"))
}

/// A part of a request that checks its context at each step.
async fn step(of: Segment, name: String) {
    let trace = of.trace_id();
    for round in 0..5 {
        let id = current_id();
        assert_eq!(try_current().and_then(|entity| entity.trace_id()), trace);
        yield_now().await;
        assert_eq!(current_id(), id);
        capture(format!("{name}.{round}"), |subsegment| assert_eq!(current_id(), subsegment.id()));
        assert_eq!(current_id(), id);
    }
}

#[test]
fn concurrent_requests_never_see_each_other() {
    for runtime in runtimes() {
        let (recorder, traces) = Recorder::in_memory();
        runtime.block_on(async {
            let requests = (0..64).map(|number| {
                let segment = recorder.begin(format!("{number}"));
                let of = segment.downgrade();
                let work = async move {
                    let parts = ["a", "b"].map(|part| step(of.clone(), part.into()).in_subsegment(part));
                    join_all(parts).await;
                };
                tokio::spawn(async move {
                    segment.scope(work).await;
                    segment.close();
                })
            });
            let bystanders = (0..64).map(|_| {
                tokio::spawn(async {
                    for _ in 0..10 {
                        assert_eq!(current_id(), None);
                        yield_now().await;
                    }
                })
            });
            for task in requests.chain(bystanders).collect::<Vec<_>>() {
                task.await.unwrap();
            }
        });
        let parts = |name| format!("  {name}\n") + &(0..5).map(|n| format!("    {name}.{n}\n")).collect::<String>();
        let traces = traces.take().traces();
        assert_eq!(traces.len(), 64);
        for trace in traces {
            let want = format!("{}\n{}{}", trace.root().name(), parts("a"), parts("b"));
            assert_eq!(trace.tree(), want);
        }
    }
}

#[test]
fn a_spawned_task_or_thread_has_a_context_only_if_it_is_carried_there() {
    for runtime in runtimes() {
        let (recorder, _traces) = Recorder::in_memory();
        let segment = recorder.begin("shop");
        let id = segment.id();
        runtime.block_on(segment.scope(async {
            assert_eq!(current_id(), id);
            let bare = tokio::spawn(async { current_id() }).await.unwrap();
            let carried = tokio::spawn(async { current_id() }.in_current()).await.unwrap();
            assert_eq!((bare, carried), (None, id));
            let bare = spawn_blocking(current_id).await.unwrap();
            let carried = spawn_blocking(in_current(current_id)).await.unwrap();
            assert_eq!((bare, carried), (None, id));
            let bare = std::thread::spawn(current_id).join().unwrap();
            let carried = std::thread::spawn(in_current(current_id)).join().unwrap();
            assert_eq!((bare, carried), (None, id));
        }));
        assert_eq!(current_id(), None);
    }
}

#[test]
fn the_absence_of_a_context_is_carried_as_well() {
    let (recorder, _traces) = Recorder::in_memory();
    let (callback, future) = (in_current(current_id), async { current_id() }.in_current());
    let segment = recorder.begin("another request");
    let _in = segment.enter();
    assert_eq!(callback(), None);
    assert_eq!(pin!(future).poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(None));
    assert_eq!(current_id(), segment.id());
}

#[test]
fn joined_futures_are_siblings() {
    for runtime in runtimes() {
        let (recorder, traces) = Recorder::in_memory();
        let segment = recorder.begin("shop");
        let all = segment.downgrade().scope(async {
            join_all((0..3).map(|n| yield_now().in_subsegment(format!("future {n}")))).await;
            let closures = (0..3).map(|n| {
                capture_async(format!("closure {n}"), async move |_| {
                    yield_now().in_subsegment("inner").await;
                })
            });
            join_all(closures).await;
            let tasks = (0..3).map(|n| tokio::spawn(yield_now().in_subsegment(format!("task {n}"))));
            join_all(tasks).await;
        });
        runtime.block_on(async { tokio::spawn(all).await }).unwrap();
        segment.close();
        let trace = traces.take().single();
        let names = |parent: &str| {
            let mut names: Vec<_> = trace.children(trace.find(parent)).iter().map(|child| child.name()).collect();
            names.sort_unstable();
            names.join(", ")
        };
        let want = "closure 0, closure 1, closure 2, future 0, future 1, future 2, task 0, task 1, task 2";
        assert_eq!(names("shop"), want);
        assert_eq!(["closure 0", "closure 1", "future 2", "task 1"].map(names), ["inner", "inner", "", ""]);
    }
}

#[test]
fn work_created_outside_any_context_belongs_to_the_context_in_which_it_starts() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    let made_before = async { capture("inner", |_| ()) }.in_subsegment("made before");
    let captured = capture_async("captured", async |subsegment| _ = subsegment.annotate("n", 1));
    let on_done = capture_callback("callback", |()| ());
    runtime.block_on(segment.scope(async { "x".parse::<u8>() }.try_in_subsegment("direct"))).unwrap_err();
    runtime.block_on(segment.scope(capture_async("async", async |_| ())));
    runtime.block_on(segment.scope(async {
        made_before.await;
        captured.await;
        on_done(());
    }));
    // A context that exists when the future is created is used.
    let other = recorder.begin("other");
    let of_shop = {
        let _in = segment.enter();
        async {}.in_subsegment("of shop")
    };
    runtime.block_on(other.scope(of_shop));
    other.close();
    segment.close();
    let taken = traces.take();
    let trees: Vec<_> = taken.traces().iter().map(|trace| trace.tree()).collect();
    let shop = "shop\n  direct fault\n  async\n  made before\n    inner\n  captured [n=1]\n  callback\n  of shop\n";
    assert!(trees.contains(&"other\n".to_owned()) && trees.contains(&shop.to_owned()), "{trees:?}");
}

#[test]
fn a_handle_that_is_entered_or_scoped_may_be_a_temporary() {
    let (recorder, traces) = Recorder::in_memory();
    let id = {
        let _in = recorder.begin("job").enter();
        annotate("order", 7);
        let _part = subsegment("part").enter();
        annotate("part", 8);
        current_id()
    };
    assert!(id.is_some());
    assert_eq!(traces.take().single().tree(), "job [order=7]\n  part [part=8]\n");

    // The same with a spawned task.
    let work = recorder.begin("job").scope(async {
        annotate("order", 7);
        yield_now().await;
        let part = subsegment("part").scope(async { annotate("part", 8) });
        yield_now().await;
        part.await;
    });
    assert!(traces.take().is_empty(), "it is open");
    Builder::new_current_thread().build().unwrap().block_on(async { tokio::spawn(work).await }).unwrap();
    assert_eq!(traces.take().single().tree(), "job [order=7]\n  part [part=8]\n");
}

#[test]
fn a_close_takes_effect_despite_guards_and_an_entity_keeps_nothing_open() {
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("closed by hand");
    let guard = segment.enter();
    segment.close();
    assert_eq!(traces.take().single().tree(), "closed by hand\n");
    drop((guard, segment));

    let segment = recorder.begin("dropped");
    let (guard, scope) = (segment.entity().enter(), segment.downgrade().scope(async {}));
    drop(segment);
    assert_eq!(traces.take().single().tree(), "dropped\n");
    drop((guard, scope));
    assert!(traces.take().is_empty());
}

#[test]
fn a_guard_held_across_an_await_affects_only_its_own_request() {
    let [runtime, _] = runtimes();
    let (recorder, _traces) = Recorder::in_memory();
    let [soiled, clean, stray] = ["soiled", "clean", "stray"].map(|name| recorder.begin(name));
    for forget in [false, true] {
        let leaking = soiled.scope(async {
            let guard = stray.enter();
            yield_now().await;
            assert_eq!(current_id(), stray.id());
            if forget {
                std::mem::forget(guard);
            }
        });
        let other = clean.scope(async {
            for _ in 0..3 {
                assert_eq!(current_id(), clean.id());
                yield_now().await;
            }
        });
        runtime.block_on(join(leaking, other));
        assert_eq!(current_id(), None);
    }
}

#[test]
fn a_future_that_panics_leaves_nothing_on_its_thread() {
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    let panicking = || async { panic!("out of stock") };
    let cx = &mut Context::from_waker(Waker::noop());
    let mut panics = |future: &mut dyn FnMut(&mut Context<'_>)| {
        assert!(catch_unwind(AssertUnwindSafe(|| future(cx))).is_err());
        assert_eq!(current_id(), None);
    };
    let mut scoped = pin!(segment.scope(panicking()));
    panics(&mut |cx| assert_eq!(scoped.as_mut().poll(cx), Poll::Ready(())));
    let inner = {
        let _in = segment.enter();
        panicking().in_subsegment("sell")
    };
    let mut inner = pin!(inner);
    panics(&mut |cx| assert_eq!(inner.as_mut().poll(cx), Poll::Ready(())));
    let mut carried = {
        let _in = segment.enter();
        Box::pin(panicking().in_current())
    };
    panics(&mut |cx| assert_eq!(carried.as_mut().poll(cx), Poll::Ready(())));
    segment.close();
    assert_eq!(traces.take().single().tree(), "shop\n  sell fault\n");
}

#[test]
fn guards_nest_and_out_of_order_drops_stay_within_their_future() {
    let (recorder, _traces) = Recorder::in_memory();
    let [request, a, b] = ["request", "a", "b"].map(|name| recorder.begin(name));
    let mut work = pin!(request.scope(async {
        let (in_a, in_b) = (a.enter(), b.enter());
        assert_eq!(current_id(), b.id());
        drop(in_b);
        assert_eq!(current_id(), a.id());
        let in_b = b.enter();
        drop((in_a, in_b));
    }));
    assert_eq!(work.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(()));
    assert_eq!(current_id(), None);
}

/// Records the entity that is current when it is dropped.
struct Witness(Arc<Mutex<Vec<Option<EntityId>>>>);

impl Drop for Witness {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(current_id());
        if let Some(current) = try_current() {
            current.annotate("dropped", true);
        }
    }
}

/// Polls once, then drops.
fn cancel(future: impl Future) {
    assert!(pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

#[test]
fn values_are_dropped_in_the_context_of_their_code() {
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("shop");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let witness = || Witness(seen.clone());
    let work = |witness: Witness| async move {
        yield_now().await;
        drop(witness);
    };
    {
        let _in = segment.enter();
        capture("returns", |_| drop(witness()));
        let panics = catch_unwind(AssertUnwindSafe(|| {
            capture("panics", |_| {
                let _witness = witness();
                panic!("oops")
            })
        }));
        assert!(panics.is_err());
    }
    let made = {
        let _in = segment.enter();
        (
            work(witness()).in_subsegment("cancelled"),
            capture_async("cancelled closure", async |_| work(witness()).await),
        )
    };
    cancel(made.0);
    cancel(made.1);
    cancel(segment.scope(work(witness())));
    segment.close();
    assert!(seen.lock().unwrap().iter().all(Option::is_some), "{seen:?}");
    assert_eq!(
        traces.take().single().tree(),
        "shop [dropped=true]\n  returns [dropped=true]\n  panics fault [dropped=true]\n  \
         cancelled [dropped=true]\n  cancelled closure [dropped=true]\n"
    );
}

#[test]
fn a_thread_that_ends_may_still_use_the_sdk() {
    struct Last(Segment);
    impl Drop for Last {
        fn drop(&mut self) {
            assert_eq!(capture("captured", |_| 7), 7);
            let _in = self.0.enter();
            self.0.subsegment("last words").annotate("n", 1).metadata("k", &[1, 2, 3]).fault("too late");
            self.0.close();
        }
    }
    thread_local! {
        static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
    }
    for context_first in [false, true] {
        let (recorder, traces) = Recorder::in_memory();
        std::thread::spawn(move || {
            let segment = recorder.begin("thread");
            let last = Last(segment.clone());
            // Thread-locals are dropped in the order of their first use, or the reverse: try both.
            if context_first {
                drop(segment.enter());
            }
            LAST.with_borrow_mut(|slot| *slot = Some(last));
            std::mem::forget(segment.enter());
        })
        .join()
        .unwrap();
        let tree = traces.take().single().tree();
        assert!(tree.contains("\n  last words fault [n=1]\n"), "{tree}");
    }
}
