//! The service alone, without the Lambda runtime.

use std::convert::Infallible;
use std::future::{pending, poll_fn, ready};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Poll, Wake, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lambda_runtime::{Context, LambdaEvent, Service, service_fn};
use xray_core::Recorder;
use xray_lambda::XRayLambda;

const ROOT: &str = "1-5759e988-bd862e3fe1be46a994272793";

fn context() -> Context {
    let mut context = Context::default();
    context.xray_trace_id = Some(format!("Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=1"));
    context
}

#[tokio::test]
async fn the_context_reaches_the_call_and_the_future_and_nothing_else() {
    let (recorder, traces) = Recorder::in_memory();
    let handler = service_fn(|event: LambdaEvent<u32>| {
        xray_core::capture("in the call", |_| {});
        async move {
            tokio::task::yield_now().await;
            xray_core::annotate("number", event.payload);
            Ok::<_, Infallible>(xray_core::current().trace_id())
        }
    });
    let mut function = XRayLambda::wrap(handler).recorder(recorder).handler_subsegment("handler");
    let running = function.call(LambdaEvent::new(7, context()));
    assert!(xray_core::try_current().is_none());
    assert_eq!(running.await.unwrap().unwrap().to_string(), ROOT);
    assert!(xray_core::try_current().is_none());
    assert_eq!(traces.take().single().tree(), "handler [number=7]\n  in the call\n");
}

#[tokio::test]
async fn a_dropped_invocation_closes_what_it_began() {
    let (recorder, traces) = Recorder::in_memory();
    let handler = service_fn(|_: LambdaEvent<()>| async {
        let _open = xray_core::subsegment("open");
        pending::<Result<(), Infallible>>().await
    });
    let mut function = XRayLambda::wrap(handler).recorder(recorder).handler_subsegment("handler");
    tokio::select! {
        biased;
        _ = function.call(LambdaEvent::new((), context())) => unreachable!(),
        () = ready(()) => {}
    }
    let trace = traces.take().single();
    assert_eq!(trace.tree(), "handler\n  open\n");
    assert_eq!(*trace.find("handler").metadata("xray", "cancelled"), true);
}

#[test]
fn the_service_and_its_future_are_send_and_need_no_runtime() {
    fn sent<T: Send + 'static>(value: T) -> T {
        value
    }
    let (recorder, traces) = Recorder::in_memory();
    let handler = service_fn(|_: LambdaEvent<()>| ready(Ok::<_, Infallible>(xray_core::capture("work", |_| 7))));
    let mut function = sent(XRayLambda::wrap(handler).recorder(recorder)).clone();
    let mut running = pin!(sent(function.call(LambdaEvent::new((), context()))));
    let mut cx = std::task::Context::from_waker(Waker::noop());
    assert!(matches!(running.as_mut().poll(&mut cx), Poll::Ready(Ok(7))));
    assert_eq!(traces.take().single().tree(), "work\n");
}

#[test]
fn the_variable_is_read_if_an_invocation_has_no_header() {
    let test = "wrapper::the_variable_is_read_if_an_invocation_has_no_header";
    let variable = ("_X_AMZN_TRACE_ID", "Root=1-5f84c7a5-000000000000000000000007;Parent=53995c3f42cd8ad8;Sampled=1");
    if std::env::var_os(variable.0).is_none_or(|value| value != variable.1) {
        // Runs in its own process, since the environment of this one must not be changed.
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        let output = command.args(["--exact", test]).env(variable.0, variable.1).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        return;
    }
    let (recorder, _) = Recorder::in_memory();
    let handler = service_fn(|_: LambdaEvent<()>| ready(Ok::<_, Infallible>(xray_core::current().trace_id())));
    let mut function = XRayLambda::wrap(handler).recorder(recorder);
    for (context, trace) in [(Context::default(), &variable.1[5..40]), (context(), ROOT)] {
        let mut running = pin!(function.call(LambdaEvent::new((), context)));
        let mut cx = std::task::Context::from_waker(Waker::noop());
        let Poll::Ready(Ok(Some(found))) = running.as_mut().poll(&mut cx) else { panic!("no trace") };
        assert_eq!(found.to_string(), trace);
    }
}

#[tokio::test(start_paused = true)]
async fn the_timer_ends_with_the_response() {
    struct Wakes(AtomicUsize);
    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    for (answered, wakes) in [(false, 1), (true, 0)] {
        let (mut context, mut polled) = (context(), false);
        let deadline = SystemTime::now() + Duration::from_secs(60);
        context.deadline = deadline.duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        let handler = service_fn(|_: LambdaEvent<()>| {
            poll_fn(move |_| match std::mem::replace(&mut polled, true) && answered {
                true => Poll::Ready(Ok::<_, Infallible>(())),
                false => Poll::Pending,
            })
        });
        let woken = Arc::new(Wakes(AtomicUsize::new(0)));
        let waker = Waker::from(woken.clone());
        let mut cx = std::task::Context::from_waker(&waker);
        let mut function = XRayLambda::wrap(handler).recorder(Recorder::in_memory().0);
        // The runtime may keep the future after it has completed.
        let mut running = pin!(function.call(LambdaEvent::new((), context)));
        assert!(running.as_mut().poll(&mut cx).is_pending());
        assert_eq!(running.as_mut().poll(&mut cx).is_ready(), answered);
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(woken.0.load(SeqCst), wakes);
    }
}
