//! The service on actix-web.

use std::io;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Data, Path, ServiceConfig};
use actix_web::{App, Error, HttpRequest, HttpResponse, HttpServer, ResponseError};
use tokio::runtime::Handle;
use xray_actix::{XRay, XRaySegment};

use super::behaviour::{self, Clients, GRACE, IGNORED, OK, TIME_LIMIT};
use super::{Arguments, ServiceError, termination};

/// Serves until SIGTERM, then completes requests in progress for at most [`GRACE`].
///
/// # Errors
/// Returns an error if the address cannot be bound.
pub async fn serve(arguments: Arguments) -> io::Result<()> {
    let terminated = termination()?;
    let middleware = XRay::new(arguments.naming()).ignore(|request| request.path() == IGNORED);
    let process = Data::new(Handle::current());
    let app = move || App::new().wrap(middleware.clone()).app_data(process.clone()).configure(routes);
    let server =
        HttpServer::new(app).workers(2).disable_signals().shutdown_timeout(GRACE.as_secs()).bind(arguments.listen)?;
    let addresses = server.addrs();
    let server = server.run();
    let handle = server.handle();
    let serving = tokio::spawn(server);
    for address in addresses {
        behaviour::announce(address)?;
    }
    terminated.await;
    handle.stop(true).await;
    serving.await.map_err(io::Error::other)?
}

fn routes(app: &mut ServiceConfig) {
    let ok = || async { OK };
    app.app_data(Data::new(Clients::new()))
        .service(web::resource("/ok").route(web::get().to(ok)).route(web::post().to(ok)).route(web::head().to(ok)))
        .route("/status/{code}", web::get().to(status))
        .route("/error", web::get().to(async || behaviour::error()))
        .route("/panic", web::get().to(async || behaviour::panic()))
        .route("/sleep/{ms}", web::get().to(async |ms: Path<u64>| behaviour::wait(*ms).await))
        .service(
            web::resource("/timeout")
                .wrap(from_fn(time_limit))
                .route(web::get().to(async || behaviour::wait(10_000).await)),
        )
        .route("/stream/{n}/{ms}", web::get().to(stream))
        .route("/nest/{depth}", web::get().to(async |depth: Path<usize>| behaviour::nest(*depth).await))
        .route("/fan/{n}", web::get().to(async |n: Path<usize>| behaviour::fan(*n).await))
        .route("/seq/{n}", web::get().to(async |n: Path<usize>| behaviour::seq(*n)))
        .route("/leak", web::get().to(async |process: Data<Handle>| behaviour::leak(&process)))
        .route("/annotate/{value}", web::get().to(async |value: Path<String>| behaviour::annotate(&value).await))
        .route("/metadata/{bytes}", web::get().to(async |bytes: Path<usize>| behaviour::metadata(*bytes)))
        .route("/fail/{name}", web::get().to(async |name: Path<String>| behaviour::fail(&name)))
        .route("/manual", web::get().to(async |segment: XRaySegment| behaviour::manual(&segment)))
        .route("/out/{client}", web::get().to(out))
        .route("/proxy/{client}", web::get().to(proxy))
        .route(IGNORED, web::get().to(ok));
}

async fn status(code: Path<u16>) -> HttpResponse {
    HttpResponse::build(StatusCode::from_u16(*code).unwrap_or(StatusCode::BAD_REQUEST)).finish()
}

async fn stream(path: Path<(usize, u64)>) -> HttpResponse {
    let (n, ms) = path.into_inner();
    HttpResponse::Ok().streaming(behaviour::chunks(n, ms))
}

async fn out(clients: Data<Clients>, client: Path<String>, request: HttpRequest) -> String {
    clients.call(&client, request.query_string()).await
}

async fn proxy(clients: Data<Clients>, client: Path<String>, request: HttpRequest) -> HttpResponse {
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let status = clients.proxy(&client, request.query_string(), headers).await;
    HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY)).finish()
}

/// A timeout inside the middleware: drops the handler and responds with 504.
async fn time_limit<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let original = request.request().clone();
    match tokio::time::timeout(TIME_LIMIT, next.call(request)).await {
        Ok(response) => Ok(response?.map_into_left_body()),
        Err(_) => {
            let timeout = HttpResponse::GatewayTimeout().finish();
            Ok(ServiceResponse::new(original, timeout).map_into_right_body())
        }
    }
}

/// Responds with the text and status 500. The middleware finds the error in the response.
impl ResponseError for ServiceError {}
