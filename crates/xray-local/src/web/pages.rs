//! The page's files, and what other requests get.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};
use std::sync::{Arc, LazyLock};

use axum::body::{Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::Response;

use super::respond::{error, operation, text};
use super::{App, blocking};
use crate::api;

/// A file of the page: its name and its content.
type File = (&'static str, &'static [u8]);

macro_rules! files {
    ($($name:literal)*) => { &[$(($name, include_bytes!(concat!("../../ui/", $name)))),*] };
}

/// The files of the page. The first one is the page itself, the others are served below `/ui/`.
const FILES: &[File] = files! {
    "index.html"
    "api.js"
    "app.js"
    "compare/align.js"
    "compare/page.js"
    "compare/sets.js"
    "connect.js"
    "dom.js"
    "early.js"
    "filter/box.js"
    "filter/complete.js"
    "filter/words.js"
    "format.js"
    "group_by.js"
    "icon.svg"
    "icons.js"
    "json_view.js"
    "keys.js"
    "live.js"
    "losses.js"
    "map/graph.js"
    "map/layout.js"
    "map/layout_worker.js"
    "map/page.js"
    "map/view.js"
    "popup.js"
    "range_dialog.js"
    "router.js"
    "routes.js"
    "sampling/attributes.js"
    "sampling/decide.js"
    "sampling/edit.js"
    "sampling/page.js"
    "service_color.js"
    "status/page.js"
    "status_tag.js"
    "styles/base.css"
    "styles/pages.css"
    "styles/tokens.css"
    "styles/trace.css"
    "styles/traces.css"
    "theme.js"
    "time_range.js"
    "time_range_text.js"
    "trace/action.js"
    "trace/copy.js"
    "trace/documents.js"
    "trace/drawer.js"
    "trace/entities.js"
    "trace/find.js"
    "trace/minimap.js"
    "trace/model.js"
    "trace/own_time.js"
    "trace/own_time_table.js"
    "trace/page.js"
    "trace/refuse.js"
    "trace/repeats.js"
    "trace/sampling_reason.js"
    "trace/time_axis.js"
    "trace/timeline.js"
    "trace/untraced.js"
    "trace/visible_rows.js"
    "trace/waterfall.js"
    "traces/buckets.js"
    "traces/facets.js"
    "traces/first_start.js"
    "traces/histogram.js"
    "traces/list.js"
    "traces/page.js"
    "traces/rows.js"
    "vendor/dagre/LICENSE"
    "vendor/dagre/dagre.js"
    "virtual.js"
};

/// The first parts of the page's addresses.
const PAGES: [&str; 8] = ["", "traces", "compare", "service-map", "sampling", "status", "xray", "cloudwatch"];

/// The hash of all files. The page asks for its files below it, so that the browser need not ask again whether they are
/// the same: forty such questions take longer than showing a list.
static VERSION: LazyLock<String> = LazyLock::new(|| format!("{:016x}", hash(FILES)));

/// The page, with the version in the addresses of its files.
static PAGE: LazyLock<String> = LazyLock::new(|| {
    let page = String::from_utf8_lossy(FILES[0].1);
    page.replace("\"/ui/", &format!("\"/ui/{}/", *VERSION))
});

/// `GET /ui/FILE` and `GET /ui/VERSION/FILE`
pub(super) async fn file(State(app): State<Arc<App>>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    let lasting = name.strip_prefix(VERSION.as_str()).and_then(|rest| rest.strip_prefix('/'));
    let name = lasting.unwrap_or(&name);
    let Some(&(name, embedded)) = FILES.iter().find(|(known, _)| *known == name) else {
        return error(StatusCode::NOT_FOUND, "there is no such file");
    };
    let mut response = send(&app, name, embedded, &headers);
    if lasting.is_some() && response.status().is_success() {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=31536000, immutable"));
    }
    response
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
            let page = if app.ui.is_some() { FILES[0].1 } else { PAGE.as_bytes() };
            send(&app, FILES[0].0, page, request.headers())
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

fn send(app: &App, name: &str, embedded: &'static [u8], headers: &HeaderMap) -> Response {
    let kind = kind(name);
    let content = match app.ui.as_ref().map(|folder| std::fs::read(folder.join(name))) {
        None => Bytes::from_static(embedded),
        Some(Ok(content)) => content.into(),
        Some(Err(failure)) => return error(StatusCode::NOT_FOUND, &format!("cannot read ui file {name}: {failure}")),
    };
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::FILES;

    #[test]
    fn each_file_of_the_page_is_embedded() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui");
        let mut found = Vec::new();
        let mut folders = vec![folder.clone()];
        while let Some(next) = folders.pop() {
            for entry in std::fs::read_dir(&next).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.extend(Some(path).filter(|path| !path.ends_with("tests")));
                } else {
                    let name = path.strip_prefix(&folder).unwrap().to_str().unwrap();
                    found.push(name.replace(std::path::MAIN_SEPARATOR, "/"));
                }
            }
        }
        found.sort();
        let mut embedded: Vec<_> = FILES.iter().map(|(name, _)| *name).collect();
        embedded.sort_unstable();
        assert_eq!(found, embedded);
    }
}
