//! Database calls of drivers that no adapter knows: `Sql::capture`, `capture_async` and `begin`.

use std::error::Error;
use std::fmt;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::FutureExt as _;
use serde_json::{Value, json};
use xray_core::emit::MemoryEmitter;
use xray_core::sampling::Always;
use xray_core::{Flag, FutureExt as _, Recorder, Segment, Sql, SqlFailure, try_current};

#[derive(Debug)]
struct DriverError(&'static str, &'static str);
impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.1)
    }
}
impl Error for DriverError {}

#[derive(Debug)]
struct Wrapped(DriverError);
impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot save: {}", self.0)
    }
}
impl Error for Wrapped {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

const DUPLICATE: DriverError = DriverError("23505", "Key (email)=(planted@value) already exists");

fn shop() -> Sql {
    Sql::from_url("postgres://app:s3cret@db.test:5432/shop").driver_version("driver 1.2").prepared().on_error(
        |error: &DriverError| match error.0 {
            "" => SqlFailure::none(),
            code => SqlFailure::sqlstate(code),
        },
    )
}

/// Runs a test in a segment, and returns the subsegments without what differs in each run.
fn subsegments(run: impl FnOnce(&Segment)) -> Value {
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("web");
    run(&segment);
    segment.close();
    of(traces.take().documents()[0].json())
}

fn of(text: &str) -> Value {
    assert!(!text.contains("planted"), "{text}");
    let mut document: Value = text.parse().expect("documents are JSON");
    let mut found = document["subsegments"].take();
    for subsegment in found.as_array_mut().into_iter().flatten() {
        let members = subsegment.as_object_mut().expect("an object");
        for timed in ["id", "start_time", "end_time"] {
            assert!(members.remove(timed).is_some(), "{text}");
        }
        for exception in
            members.get_mut("cause").into_iter().flat_map(|cause| cause["exceptions"].as_array_mut()).flatten()
        {
            exception.as_object_mut().expect("an object").retain(|name, _| name == "type" || name == "message");
        }
        if let Some(cause) = members.get_mut("cause").and_then(Value::as_object_mut) {
            cause.remove("working_directory");
        }
    }
    found
}

fn call() -> Value {
    json!({
        "name": "shop@db.test", "namespace": "remote",
        "sql": {"url": "postgresql://db.test:5432/shop", "user": "app", "database_type": "PostgreSQL",
                "driver_version": "driver 1.2", "preparation": "statement"},
    })
}

fn with(mut base: Value, members: Value) -> Value {
    base.as_object_mut().expect("an object").extend(members.as_object().expect("an object").clone());
    base
}

fn failed(flag: &str, kind: &str, message: &str) -> Value {
    with(call(), json!({flag: true, "cause": {"exceptions": [{"type": kind, "message": message}]}}))
}

#[test]
fn a_call_is_recorded_with_its_outcome() {
    type Outcome = Result<u8, DriverError>;
    let duplicate = failed("error", "SQLSTATE 23505", "Key (?) already exists");
    let deadlock = failed("fault", "SQLSTATE 40P01", "deadlock detected");
    let table: [(fn() -> Outcome, Value); 4] = [
        (|| Ok(7), call()),
        (|| Err(DUPLICATE), duplicate),
        (|| Err(DriverError("40P01", "deadlock detected")), deadlock),
        (|| Err(DriverError("", "no row")), call()),
    ];
    for (outcome, want) in table {
        let (blocking, asynchronous) = (shop(), shop());
        let got = subsegments(|segment| {
            let _in = segment.enter();
            let result = blocking.capture("SELECT 'planted'", outcome);
            assert_eq!(format!("{result:?}"), format!("{:?}", outcome()));
        });
        assert_eq!(got, json!([want]));
        let got = subsegments(|segment| {
            let call = async { asynchronous.capture_async("SELECT 'planted'", async { outcome() }).await };
            let result = segment.scope(call).now_or_never().expect("the future is ready");
            assert_eq!(format!("{result:?}"), format!("{:?}", outcome()));
        });
        assert_eq!(got, json!([want]));
        let got = subsegments(|segment| {
            let call = shop().begin_below(&segment.entity(), "SELECT 'planted'");
            call.record(&outcome());
            call.close();
        });
        assert_eq!(got, json!([want]));
    }
}

#[test]
fn an_error_that_no_function_classifies_is_a_fault_and_one_within_another_is_found() {
    let got = subsegments(|segment| {
        let _in = segment.enter();
        let _ = shop().capture("", || Err::<(), _>(Wrapped(DUPLICATE)));
        let _ = shop().capture("", || Err::<(), _>(fmt::Error));
    });
    assert_eq!((&got[0]["error"], &got[1]["fault"]), (&json!(true), &json!(true)));
    assert_eq!(got[0]["cause"]["exceptions"][0]["type"], "SQLSTATE 23505");
    assert_eq!(got[1]["cause"]["exceptions"][0]["type"], "Error");
}

#[test]
fn a_cancelled_call_is_closed_and_marked() {
    let cancelled = with(call(), json!({"metadata": {"xray": {"cancelled": true}}}));
    let got = subsegments(|segment| {
        let sql = shop();
        let mut waiting = Box::pin(
            segment.scope(async { sql.capture_async("SELECT 1", pending::<Result<(), DriverError>>()).await }),
        );
        assert!((&mut waiting).now_or_never().is_none());
        drop(waiting);
        drop(shop().begin_below(&segment.entity(), ""));
    });
    assert_eq!(got, json!([cancelled, cancelled]));
}

#[test]
fn a_panic_is_recorded_and_propagates() {
    let panicked = failed("fault", "panic", "driver bug");
    let got = subsegments(|segment| {
        let _in = segment.enter();
        let blocking = || shop().capture("", || -> Result<(), DriverError> { panic!("driver bug") });
        assert!(catch_unwind(AssertUnwindSafe(blocking)).is_err());
        let work = async { if segment.is_sampled() { panic!("driver bug") } else { Ok::<(), DriverError>(()) } };
        let asynchronous = || shop().capture_async("", work).now_or_never();
        assert!(catch_unwind(AssertUnwindSafe(asynchronous)).is_err());
    });
    assert_eq!(got, json!([panicked, panicked]));
}

#[test]
fn the_call_is_current_while_it_runs_and_calls_that_run_together_are_siblings() {
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("web");
    let sql = shop();
    let work = async {
        let calls = (0..100).map(|_| {
            sql.capture_async("SELECT 1", async {
                xray_core::subsegment("within").close();
                Ok::<_, DriverError>(())
            })
        });
        futures_util::future::join_all(calls).await;
        assert_eq!(try_current().and_then(|entity| entity.id()), segment.id());
    };
    segment.scope(work).now_or_never().expect("the future is ready");
    segment.close();
    let trace = traces.take().single();
    let calls = trace.children(trace.root());
    assert_eq!(calls.len(), 100);
    for call in calls {
        assert_eq!((call.name(), trace.children(call).len()), ("shop@db.test", 1));
    }
}

#[test]
fn without_a_segment_or_a_sampled_one_the_call_is_made_all_the_same() {
    let sql = shop();
    assert_eq!(sql.capture("SELECT 1", || Ok::<_, DriverError>(7)).unwrap(), 7);
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("web");
    let unsampled = segment.unsampled_subsegment();
    let _in = unsampled.enter();
    let inside = sql.capture("SELECT 1", || Ok::<_, DriverError>(try_current().and_then(|entity| entity.id())));
    assert_eq!(inside.unwrap(), unsampled.id());
    assert!(sql.begin("SELECT 1").subsegment().is_none());
    drop(_in);
    drop(segment);
    assert_eq!(traces.take().single().tree(), "web\n");
}

#[test]
fn an_unsampled_call_allocates_nothing() {
    let (recorder, _traces) = Recorder::in_memory();
    let segment = recorder.begin("web");
    let _in = segment.unsampled_subsegment().enter();
    let sql = shop();
    let counted = allocation_counter::measure(|| {
        let _ = sql.capture("SELECT 1", || Ok::<_, DriverError>(()));
        let _ = sql.capture_async("SELECT 1", async { Ok::<_, DriverError>(()) }).now_or_never();
        sql.begin("SELECT 1").close();
    });
    assert_eq!(counted.count_total, 0);
}

/// Applications wrap errors of databases in their own, and record those on the segment.
#[test]
fn a_value_does_not_leave_in_the_error_that_wraps_a_recorded_one() {
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("web");
    let call = shop().begin_below(&segment.entity(), "");
    call.record(&Err::<(), _>(DUPLICATE));
    call.close();
    segment.fault(Wrapped(DUPLICATE));
    segment.close();
    let document = traces.take().documents()[0].json().to_owned();
    assert!(!document.contains("planted") && document.contains("cannot save: Key (?) already exists"), "{document}");
}

#[test]
fn texts_are_collected_on_request_and_never_with_their_literals() {
    for (collect, want) in [(false, None), (true, Some("SELECT ?"))] {
        let emitter = MemoryEmitter::new();
        let builder = Recorder::builder().sampling(Always).emitter(emitter.clone()).collect_sql_queries(collect);
        let recorder = builder.build().unwrap();
        let segment = recorder.begin("web");
        for _ in 0..2 {
            shop().begin_below(&segment.entity(), "SELECT 'planted'").close();
        }
        segment.close();
        let got = of(emitter.take()[0].json());
        let want = want.filter(|_| cfg!(feature = "sql-text")).map(Value::from).unwrap_or_default();
        assert_eq!((&got[0]["sql"]["sanitized_query"], &got[1]["sql"]["sanitized_query"]), (&want, &want));
    }
}

#[test]
fn failures_can_be_described_by_hand() {
    let got = subsegments(|segment| {
        let call = shop().begin_below(&segment.entity(), "");
        call.fail(&SqlFailure::fault().with_code("PoolTimedOut"), &"pool timed out");
        call.close();
        let call = shop().begin_below(&segment.entity(), "");
        call.fail(&SqlFailure::none(), &"no row");
        call.close();
    });
    assert_eq!(got, json!([failed("fault", "PoolTimedOut", "pool timed out"), call()]));
    assert_eq!(SqlFailure::error().flag(), Some(Flag::Error));
    let spawned = async { shop().capture_async(String::from("SELECT 1"), async { Ok::<_, DriverError>(()) }).await };
    assert!(spawned.in_current().now_or_never().is_some());
}

#[test]
fn a_call_may_have_started_earlier() {
    let (recorder, traces) = Recorder::in_memory();
    let segment = recorder.begin("svc");
    let start = SystemTime::now() - Duration::from_secs(60);
    shop().begin_below_at(&segment.entity(), "", start).with_operation("CONNECT").close();
    segment.close();
    let trace = traces.take().single();
    let call = trace.find("shop@db.test").json().clone();
    let seconds = start.duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((call["start_time"].as_f64().unwrap() - seconds).abs() < 1e-4, "{call}");
    assert_eq!((&call["namespace"], &call["metadata"]), (&json!("remote"), &json!({"sql": {"operation": "CONNECT"}})));
}
