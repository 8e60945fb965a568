//! Responses and errors of handlers.

use std::error::Error as StdError;
use std::fmt;

use actix_web::error::{ErrorForbidden, InternalError, JsonPayloadError};
use actix_web::http::StatusCode;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Json, Path, get};
use actix_web::{App, Error, HttpResponse, HttpServer, ResponseError};
use serde_json::json;
use xray_core::sampling::Never;

use crate::support::{self, ask, recorder_with, serve, shop, start, xray};

#[derive(Debug)]
struct ServiceError(std::num::ParseIntError);

impl ServiceError {
    fn new() -> ServiceError {
        ServiceError("x".parse::<u8>().unwrap_err())
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken")
    }
}

impl StdError for ServiceError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}

impl ResponseError for ServiceError {}

type HandlerResult<E> = Result<HttpResponse, E>;

fn failing(app: &mut web::ServiceConfig) {
    app.route("/own", get().to(async || HandlerResult::Err(ServiceError::new())))
        .route("/boxed", get().to(async || HandlerResult::Err(Box::<dyn StdError>::from(ServiceError::new()))))
        .route(
            "/client",
            get().to(async || HandlerResult::Err(InternalError::new("no such item", StatusCode::NOT_FOUND))),
        )
        .route(
            "/throttled",
            get().to(async || {
                HandlerResult::Err(InternalError::new(ServiceError::new(), StatusCode::TOO_MANY_REQUESTS))
            }),
        )
        .route(
            "/redirect",
            get().to(async || {
                let login = HttpResponse::SeeOther().insert_header(("location", "/login")).finish();
                HandlerResult::Err(InternalError::from_response("log in first", login))
            }),
        )
        .route("/extractor/{id}", get().to(async |id: Path<u8>| format!("{id}")))
        .route("/json", get().to(async |number: Json<u8>| format!("{number}")));
}

#[tokio::test]
async fn an_error_that_a_handler_returns_is_the_cause_and_the_response_is_unchanged() {
    let (xray, mut documents) = xray("shop");
    let with = serve(xray, failing);
    let without = HttpServer::new(|| App::new().configure(failing)).workers(1).disable_signals();
    let without = without.bind("127.0.0.1:0").unwrap();
    let without = start(without.addrs()[0], without.run());
    let parse = json!(["ParseIntError", "invalid digit found in string"]);
    for (path, status, flags, cause) in [
        // Without a chain, since actix-web's error trait does not expose it.
        ("/own", 500, json!({"fault": true}), json!([["ServiceError", "broken"]])),
        ("/boxed", 500, json!({"fault": true}), json!([["ServiceError", "broken"], parse])),
        ("/client", 404, json!({"error": true}), json!([["Error", "no such item"]])),
        ("/throttled", 429, json!({"error": true, "throttle": true}), json!([["ServiceError", "broken"]])),
        ("/redirect", 303, json!({}), json!(null)),
        ("/extractor/x", 404, json!({"error": true}), json!([["Error", "can not parse \"x\" to a u8"]])),
        (
            "/json",
            400,
            json!({"error": true}),
            json!([["JsonPayloadError", JsonPayloadError::ContentType.to_string()]]),
        ),
    ] {
        let [with, without] = [support::get(with, path).await, support::get(without, path).await];
        assert_eq!(with.status, status, "{path}");
        assert_eq!((with.head_without_date(), &with.body), (without.head_without_date(), &without.body), "{path}");
        let mut expected = shop(path, json!({"status": status, "content_length": with.body.len()}), flags);
        if !cause.is_null() {
            expected["cause"] = cause;
        }
        assert_eq!(documents.next().await, expected);
    }
    documents.assert_empty();
}

#[tokio::test]
async fn an_error_of_an_inner_middleware_is_recorded_and_propagates() {
    const ROOT: &str = "1-5759e988-bd862e3fe1be46a994272793";
    let (always, mut documents) = recorder_with(xray_core::sampling::Always);
    let (never, _) = recorder_with(Never);
    for (sampled, recorder) in [(1, always), (0, never)] {
        let address = serve(xray_actix::XRay::fixed("shop").recorder(recorder), |app| {
            let refuse = from_fn(async |_, _: actix_web::middleware::Next<actix_web::body::BoxBody>| {
                Err::<actix_web::dev::ServiceResponse, Error>(ErrorForbidden("members only"))
            });
            app.service(web::scope("").wrap(refuse).route("/", get().to(HttpResponse::Ok)));
        });
        let asks = format!("X-Amzn-Trace-Id: Root={ROOT};Sampled=?");
        for headers in [&[][..], &[&*asks]] {
            let response = ask(address, "GET /", headers).await.unwrap();
            assert_eq!((response.status, &*response.body), (403, "members only"));
            let expected = (!headers.is_empty()).then(|| format!("Root={ROOT};Sampled={sampled}"));
            assert_eq!(response.header("x-amzn-trace-id"), expected.as_deref());
            if sampled == 1 {
                // The length of the response is not known inside.
                let more = json!({"error": true, "cause": [["Error", "members only"]]});
                assert_eq!(documents.next().await, shop("/", json!({"status": 403}), more));
            }
        }
    }
    documents.assert_empty();
}
