//! The page's files, and what other requests get.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};
use std::io::Read;
use std::sync::{Arc, LazyLock};

use axum::body::{Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use flate2::read::GzDecoder;

use super::respond::{error, operation, text};
use super::{App, blocking};
use crate::api;

/// The files of the folder `ui`: their names, and their contents, compressed by the build script.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// The file that is the page itself. The others are served below `/ui/`.
const INDEX: &str = "index.html";

/// The first parts of the page's addresses.
const PAGES: [&str; 8] = ["", "traces", "compare", "service-map", "sampling", "status", "xray", "cloudwatch"];

/// The hash of all files. The page asks for its files below it, so that the browser need not ask again whether they are
/// the same: forty such questions take longer than showing a list.
static VERSION: LazyLock<String> = LazyLock::new(|| format!("{:016x}", hash(FILES)));

/// The page, with the version in the addresses of its files.
static PAGE: LazyLock<String> = LazyLock::new(|| {
    let page = embedded(INDEX).map(inflate).unwrap_or_default();
    String::from_utf8_lossy(&page).replace("\"/ui/", &format!("\"/ui/{}/", *VERSION))
});

/// `GET /ui/FILE` and `GET /ui/VERSION/FILE`
pub(super) async fn file(State(app): State<Arc<App>>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    let lasting = name.strip_prefix(VERSION.as_str()).and_then(|rest| rest.strip_prefix('/'));
    let name = lasting.unwrap_or(&name);
    let Some(embedded) = embedded(name) else {
        return error(StatusCode::NOT_FOUND, "there is no such file");
    };
    let mut response = if let Some(folder) = &app.ui {
        from_folder(folder, name, &headers)
    } else if accepts_gzip(&headers) {
        let mut response = send(name, Bytes::from_static(embedded), &headers);
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        response
    } else {
        send(name, inflate(embedded).into(), &headers)
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if lasting.is_some() && response.status().is_success() {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=31536000, immutable"));
    }
    response
}

/// Returns the compressed content of a file.
fn embedded(name: &str) -> Option<&'static [u8]> {
    FILES.iter().find(|(known, _)| *known == name).map(|(_, content)| *content)
}

fn inflate(content: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    // The build script wrote it, so it is complete.
    _ = GzDecoder::new(content).read_to_end(&mut plain);
    plain
}

/// Whether the client accepts gzip, as browsers state it: without a weight.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|codings| codings.to_str().ok());
    accepted.is_some_and(|codings| codings.split(',').any(|coding| coding.trim() == "gzip"))
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
        Method::GET | Method::HEAD if PAGES.contains(&first) => {
            let headers = request.headers();
            match &app.ui {
                Some(folder) => from_folder(folder, INDEX, headers),
                None => send(INDEX, PAGE.as_bytes().into(), headers),
            }
        }
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

/// Returns the type of a file.
fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}

/// Sends a file of the folder that replaces the embedded ones.
fn from_folder(folder: &std::path::Path, name: &str, headers: &HeaderMap) -> Response {
    match std::fs::read(folder.join(name)) {
        Ok(content) => send(name, content.into(), headers),
        Err(failure) => error(StatusCode::NOT_FOUND, &format!("cannot read ui file {name}: {failure}")),
    }
}

fn send(name: &str, content: Bytes, headers: &HeaderMap) -> Response {
    let kind = kind(name);
    let tag = format!("\"{:016x}\"", hash(&content));
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

fn hash(content: &(impl Hash + ?Sized)) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(content)
}
