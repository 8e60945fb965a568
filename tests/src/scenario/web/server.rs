//! The server of a scenario and the service that it calls.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::routing::{MethodFilter, on};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use xray_axum::{XRayLayer, XRaySegment};
use xray_core::{Exception, Naming, Recorder};

use super::parse::{Call, Route, Scenario};
use crate::client::{Client, Library};
use crate::scenario::performer::Performer;
use crate::scenario::thrown::Thrown;

/// A running server.
pub(super) struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<io::Result<()>>,
    seen: Arc<Mutex<Seen>>,
}

/// Observations behind the server.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The trace header of each call that arrived.
    pub(super) headers: Vec<Option<String>>,
    /// Parts of the scenario that could not be performed.
    pub(super) problems: Vec<String>,
}

impl Server {
    pub(super) fn start(
        runtime: &Runtime,
        scenario: &Scenario,
        recorder: &Recorder,
        library: Library,
    ) -> io::Result<Server> {
        let seen = Arc::default();
        runtime.block_on(async {
            let naming = match &scenario.pattern {
                None => Naming::fixed(&scenario.name),
                Some(pattern) => Naming::dynamic(&scenario.name).matching(pattern),
            };
            let mut app = Router::new();
            for route in &scenario.routes {
                let handler = Handler::new(route, recorder, library, &seen).await?;
                let filter = MethodFilter::try_from(method(&route.method)?).map_err(io::Error::other)?;
                app = app.route(&path(&route.path), on(filter, |segment: XRaySegment| handler.respond(segment)));
            }
            // Like the framework of the recordings: a request without a route is not found, whatever its method.
            let app = app.method_not_allowed_fallback(|| async { StatusCode::NOT_FOUND });
            let app = app.layer(XRayLayer::new(naming).recorder(recorder.clone()));
            let (address, stop, serving) = serve(app).await?;
            Ok(Server { address, stop, serving, seen })
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops gracefully: every request has been completed, and every segment closed.
    pub(super) fn stop(self, runtime: &Runtime) -> Seen {
        // A failed server has dropped the receiver.
        let _ = self.stop.send(());
        let served = runtime.block_on(self.serving);
        let mut seen = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        if !matches!(served, Ok(Ok(()))) {
            seen.problems.push(format!("the server failed: {served:?}"));
        }
        seen
    }
}

async fn serve(app: Router) -> io::Result<(SocketAddr, oneshot::Sender<()>, JoinHandle<io::Result<()>>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel::<()>();
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let stopped = async {
        let _ = stopped.await;
    };
    let serving = tokio::spawn(async { axum::serve(listener, app).with_graceful_shutdown(stopped).await });
    Ok((address, stop, serving))
}

fn method(text: &str) -> io::Result<Method> {
    text.parse().map_err(io::Error::other)
}

/// Converts a path from the framework of the recordings, which writes parameters as `:name`.
fn path(text: &str) -> String {
    let parts = text.split('/').map(|part| match part.strip_prefix(':') {
        Some(name) => format!("{{{name}}}"),
        None => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("/")
}

/// The handler of a route.
#[derive(Clone)]
struct Handler {
    route: Route,
    recorder: Recorder,
    /// The call to make: client, method and URL.
    out: Option<(Client, Method, String)>,
    seen: Arc<Mutex<Seen>>,
}

impl Handler {
    async fn new(route: &Route, recorder: &Recorder, library: Library, seen: &Arc<Mutex<Seen>>) -> io::Result<Handler> {
        let out = match &route.call {
            None => None,
            Some(call) => {
                let port = called(call, seen).await?.port();
                let url = format!("http://{}:{port}{}", call.host, call.path);
                Some((Client::new(library, call.traced), method(&call.method)?, url))
            }
        };
        Ok(Handler { route: route.clone(), recorder: recorder.clone(), out, seen: Arc::clone(seen) })
    }

    async fn respond(self, segment: XRaySegment) -> (StatusCode, String) {
        let Handler { route, recorder, out, seen } = self;
        let performed = Performer::new(recorder, None).in_request(segment.clone().into_inner()).perform(&route.steps);
        match performed {
            Err(Thrown::Impossible(why)) => {
                seen.lock().unwrap_or_else(PoisonError::into_inner).problems.push(why);
            }
            Err(thrown) => return failed(&segment, Exception::from(&thrown)),
            Ok(()) => {}
        }
        if let Some((client, method, url)) = out {
            // In some scenarios the call fails.
            let _ = client.call(method, &url).await;
        }
        if let Some((kind, message)) = route.throw {
            return failed(&segment, Exception::new(kind, message));
        }
        (StatusCode::from_u16(route.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), route.body)
    }
}

/// Records and responds to an error, like `IntoResponse` of an error type.
fn failed(segment: &XRaySegment, exception: Exception) -> (StatusCode, String) {
    segment.fault(exception);
    (StatusCode::INTERNAL_SERVER_ERROR, "error".to_owned())
}

/// Starts the called service, or returns a port on which no service listens.
async fn called(call: &Call, seen: &Arc<Mutex<Seen>>) -> io::Result<SocketAddr> {
    if call.refuse {
        return TcpListener::bind("127.0.0.1:0").await?.local_addr();
    }
    let status = StatusCode::from_u16(call.answer).map_err(io::Error::other)?;
    let body = call.answer_body.clone();
    let seen = Arc::clone(seen);
    let respond = async move |headers: HeaderMap| {
        let header = headers.get("x-amzn-trace-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
        seen.lock().unwrap_or_else(PoisonError::into_inner).headers.push(header);
        (status, body)
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    // The task ends with the runtime.
    tokio::spawn(async { axum::serve(listener, Router::new().fallback(respond)).await });
    Ok(address)
}
