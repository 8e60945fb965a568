//! The service on axum.

use std::io;
use std::net::SocketAddr;

use axum::body::Body;
use axum::error_handling::HandleErrorLayer;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{BoxError, Router};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tower::ServiceBuilder;
use tower::timeout::TimeoutLayer;
use xray_axum::{XRayLayer, XRaySegment};

use super::behaviour::{self, Clients, GRACE, IGNORED, OK, TIME_LIMIT};
use super::{Arguments, ServiceError, termination};

/// Serves until SIGTERM, then completes requests in progress for at most [`GRACE`].
///
/// # Errors
/// Returns an error if the address cannot be bound.
pub async fn serve(arguments: Arguments) -> io::Result<()> {
    let terminated = termination()?;
    let late = termination()?;
    let listener = TcpListener::bind(arguments.listen).await?;
    behaviour::announce(listener.local_addr()?)?;
    let app = router(&arguments).into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, app).with_graceful_shutdown(terminated);
    tokio::select! {
        served = serving => served,
        () = async { late.await; tokio::time::sleep(GRACE).await } => Ok(()),
    }
}

fn router(arguments: &Arguments) -> Router {
    let layer = XRayLayer::new(arguments.naming()).ignore(|request| request.uri().path() == IGNORED);
    let time_limit = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(|_: BoxError| async { StatusCode::GATEWAY_TIMEOUT }))
        .layer(TimeoutLayer::new(TIME_LIMIT));
    Router::new()
        .route("/ok", get(async || OK).post(async || OK))
        .route("/status/{code}", get(status))
        .route("/error", get(async || behaviour::error()))
        .route("/panic", get(async || behaviour::panic()))
        .route("/sleep/{ms}", get(async |Path(ms)| behaviour::wait(ms).await))
        .route("/timeout", get(async || behaviour::wait(10_000).await).layer(time_limit))
        .route("/stream/{n}/{ms}", get(async |Path((n, ms))| Body::from_stream(behaviour::chunks(n, ms))))
        .route("/nest/{depth}", get(async |Path(depth)| behaviour::nest(depth).await))
        .route("/fan/{n}", get(async |Path(n)| behaviour::fan(n).await))
        .route("/seq/{n}", get(async |Path(n)| behaviour::seq(n)))
        .route("/leak", get(async || behaviour::leak(&Handle::current())))
        .route("/annotate/{value}", get(async |Path(value): Path<String>| behaviour::annotate(&value).await))
        .route("/metadata/{bytes}", get(async |Path(bytes)| behaviour::metadata(bytes)))
        .route("/fail/{name}", get(async |Path(name): Path<String>| behaviour::fail(&name)))
        .route("/manual", get(async |segment: XRaySegment| behaviour::manual(&segment)))
        .route("/out/{client}", get(out))
        .route("/proxy/{client}", get(proxy))
        .route(IGNORED, get(async || OK))
        .layer(layer)
        .with_state(Clients::new())
}

async fn status(Path(code): Path<u16>) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_REQUEST)
}

async fn out(State(clients): State<Clients>, Path(client): Path<String>, RawQuery(query): RawQuery) -> String {
    clients.call(&client, query.as_deref().unwrap_or_default()).await
}

async fn proxy(
    State(clients): State<Clients>,
    Path(client): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> StatusCode {
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let status = clients.proxy(&client, query.as_deref().unwrap_or_default(), headers).await;
    StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY)
}

/// Only the application sees an error that it turns into a response, so it records the error here.
impl IntoResponse for ServiceError {
    fn into_response(self) -> Response {
        xray_core::current_segment().fault(&self);
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}
