//! The page's files, and what other requests get.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use axum::body::{Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::Response;

use super::respond::{error, operation, text};
use super::{App, blocking};
use crate::api;

/// A file of the page: its name, its type, its content.
type File = (&'static str, &'static str, &'static [u8]);

const HTML: &str = "text/html; charset=utf-8";

/// The files of the page. The first one is the page itself, the others are served below `/ui/`.
const FILES: [File; 1] = [("index.html", HTML, include_bytes!("../../ui/index.html"))];

/// The first parts of the page's addresses.
const PAGES: [&str; 7] = ["", "traces", "compare", "service-map", "sampling", "status", "xray"];

/// `GET /ui/FILE`
pub(super) async fn file(State(app): State<Arc<App>>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    match FILES.iter().find(|(known, ..)| *known == name) {
        Some(file) => send(&app, file, &headers),
        None => error(StatusCode::NOT_FOUND, "there is no such file"),
    }
}

/// Everything that has no route: addresses of the page, and operations of the X-Ray service.
pub(super) async fn page_or_operation(State(app): State<Arc<App>>, request: Request) -> Response {
    let path = request.uri().path();
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    if *request.method() == Method::POST {
        let path = path.to_owned();
        // The guard has read the body already, within its limits.
        let body = to_bytes(request.into_body(), usize::MAX).await.unwrap_or_default();
        let result = blocking(move || api::respond(&app, &path, &body)).await;
        return match result {
            Some(result) => operation(result),
            None => error(StatusCode::INTERNAL_SERVER_ERROR, "the call failed: see the output of xray-local"),
        };
    }
    match *request.method() {
        Method::GET | Method::HEAD if PAGES.contains(&first) => send(&app, &FILES[0], request.headers()),
        Method::GET | Method::HEAD if path != path.to_ascii_lowercase() => not_allowed("POST"),
        Method::GET | Method::HEAD => error(StatusCode::NOT_FOUND, "there is no such page"),
        _ => not_allowed("GET, POST"),
    }
}

fn not_allowed(allow: &'static str) -> Response {
    let mut response = error(StatusCode::METHOD_NOT_ALLOWED, "this method is not allowed here");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

fn send(app: &App, &(name, kind, embedded): &File, headers: &HeaderMap) -> Response {
    let content = match app.ui.as_ref().map(|folder| std::fs::read(folder.join(name))) {
        None => Bytes::from_static(embedded),
        Some(Ok(content)) => content.into(),
        Some(Err(failure)) => return error(StatusCode::NOT_FOUND, &format!("cannot read ui file {name}: {failure}")),
    };
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(&content);
    let tag = format!("\"{hash:016x}\"");
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response =
        if known { text(StatusCode::NOT_MODIFIED, kind, "") } else { text(StatusCode::OK, kind, content) };
    // The browser keeps the file, and asks each time whether it is still the same.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}
