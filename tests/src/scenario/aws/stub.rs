//! The called service.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Response};
use bytes::Bytes;
use futures_util::stream;
use tokio::net::TcpListener;

use crate::steps::{Members, ParseStepsError};

/// The response of the service: `answer` in the golden.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    pub(super) fn parse(mut m: Members) -> Result<Answer, ParseStepsError> {
        let body = m.optional_text("body")?.unwrap_or_default();
        let answer = Answer { status: m.status("status")?, headers: m.headers()?, body };
        m.finish()?;
        Ok(answer)
    }

    fn response(&self, method: &Method) -> Response<Body> {
        let mut response = Response::builder().status(self.status);
        for (name, value) in &self.headers {
            response = response.header(name, value);
        }
        // The reference records no content length for an error response, so this one has none.
        let body = match self.status {
            _ if method == Method::HEAD => Body::empty(),
            ..300 => Body::from(self.body.clone()),
            _ => Body::from_stream(stream::iter([Ok::<_, io::Error>(Bytes::from(self.body.clone()))])),
        };
        response.body(body).unwrap_or_default()
    }
}

#[derive(Clone, Debug)]
pub(super) struct Stub {
    address: SocketAddr,
    /// The trace header of each request that arrived.
    headers: Arc<Mutex<Vec<Option<String>>>>,
}

/// Starts the service. Without an answer, no service listens on the address. It stops with the runtime.
pub(super) async fn start(answer: Option<Answer>) -> io::Result<Stub> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let stub = Stub { address: listener.local_addr()?, headers: Arc::default() };
    if let Some(answer) = answer {
        let of_server = stub.clone();
        let handle = async move |method: Method, headers: HeaderMap, _: Bytes| {
            of_server
                .lock()
                .push(headers.get("x-amzn-trace-id").and_then(|value| Some(value.to_str().ok()?.to_owned())));
            answer.response(&method)
        };
        tokio::spawn(async { axum::serve(listener, Router::new().fallback(handle)).await });
    }
    Ok(stub)
}

impl Stub {
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn take_headers(&self) -> Vec<Option<String>> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<String>>> {
        self.headers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
