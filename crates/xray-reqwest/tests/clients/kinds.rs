//! All kinds of clients behind a common interface, so that tables of behaviour can run over all of them.

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use reqwest_middleware::ClientBuilder;
use tokio_rustls::rustls::ClientConfig;
use tower::{Layer, ServiceExt};
use xray_reqwest::{XRayClientLayer, XRayMiddleware};

type BoxError = Box<dyn Error + Send + Sync>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Middleware,
    HyperUtil,
    ReqwestService,
    AnyService,
}

pub(crate) const KINDS: [Kind; 4] = [Kind::Middleware, Kind::HyperUtil, Kind::ReqwestService, Kind::AnyService];

type Hook = Arc<dyn Fn(&xray_reqwest::Outcome<'_>) + Send + Sync>;

/// The options of a client, for both front ends.
#[derive(Clone, Default)]
pub(crate) struct Setup {
    pub(crate) traced: bool,
    pub(crate) end_at_headers: bool,
    pub(crate) keep_query: bool,
    pub(crate) hook: Option<Hook>,
    pub(crate) tls: Option<ClientConfig>,
    /// Leaves out tracing, to compare what the caller sees.
    pub(crate) plain: bool,
}

/// What the caller sees: the failure of the call, or its status, and then the body or its failure.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) head: Result<StatusCode, String>,
    /// The text of the error and of its causes.
    pub(crate) body: Result<Bytes, Vec<String>>,
}

/// How far the caller reads the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    All,
    /// Reads the first piece, then drops the response.
    OnePiece,
    Nothing,
}

fn chain(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(error) = next {
        texts.push(error.to_string());
        next = error.source();
    }
    texts
}

impl Seen {
    fn failed(error: impl std::fmt::Debug) -> Seen {
        // `Debug` shows the whole chain, and each flag.
        Seen { head: Err(format!("{error:?}")), body: Ok(Bytes::new()) }
    }
}

pub(crate) fn reqwest_client(setup: &Setup) -> reqwest::Client {
    let mut builder = reqwest::Client::builder().no_proxy();
    // reqwest is built without a TLS provider, so it needs the configuration.
    builder = builder
        .tls_backend_preconfigured(setup.tls.clone().unwrap_or_else(xray_behaviours::tls::trusting_no_certificate));
    builder.build().unwrap()
}

pub(crate) fn middleware(setup: &Setup) -> XRayMiddleware {
    let mut middleware =
        XRayMiddleware::new().traced(setup.traced).end_at_headers(setup.end_at_headers).keep_query(setup.keep_query);
    if let Some(hook) = setup.hook.clone() {
        middleware = middleware.on_outcome(move |outcome| hook(outcome));
    }
    middleware
}

pub(crate) fn layer(setup: &Setup) -> XRayClientLayer {
    let mut layer =
        XRayClientLayer::new().traced(setup.traced).end_at_headers(setup.end_at_headers).keep_query(setup.keep_query);
    if let Some(hook) = setup.hook.clone() {
        layer = layer.on_outcome(move |outcome| hook(outcome));
    }
    layer
}

pub(crate) fn hyper_client(setup: &Setup) -> Client<HttpsConnector<HttpConnector>, Empty<Bytes>> {
    let tls = setup.tls.clone().unwrap_or_else(xray_behaviours::tls::trusting_no_certificate);
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
    Client::builder(TokioExecutor::new()).build(connector)
}

/// A client for several calls.
pub(crate) enum Caller {
    Middleware(reqwest_middleware::ClientWithMiddleware),
    HyperUtil(xray_reqwest::XRayClient<Client<HttpsConnector<HttpConnector>, Empty<Bytes>>>),
    PlainHyper(Client<HttpsConnector<HttpConnector>, Empty<Bytes>>),
    ReqwestService(xray_reqwest::XRayClient<reqwest::Client>),
    PlainReqwest(reqwest::Client),
    AnyService(Client<HttpsConnector<HttpConnector>, Empty<Bytes>>, Box<Setup>),
}

impl Kind {
    pub(crate) fn client(self, setup: &Setup) -> Caller {
        match (self, setup.plain) {
            (Kind::Middleware, true) => Caller::Middleware(ClientBuilder::new(reqwest_client(setup)).build()),
            (Kind::Middleware, false) => {
                Caller::Middleware(ClientBuilder::new(reqwest_client(setup)).with(middleware(setup)).build())
            }
            (Kind::HyperUtil, false) => Caller::HyperUtil(layer(setup).layer(hyper_client(setup))),
            (Kind::HyperUtil, true) => Caller::PlainHyper(hyper_client(setup)),
            (Kind::ReqwestService, false) => Caller::ReqwestService(layer(setup).layer(reqwest_client(setup))),
            (Kind::ReqwestService, true) => Caller::PlainReqwest(reqwest_client(setup)),
            (Kind::AnyService, _) => Caller::AnyService(hyper_client(setup), Box::new(setup.clone())),
        }
    }
}

impl Caller {
    pub(crate) async fn get(&self, url: &str) -> Seen {
        self.call(Method::GET, url, Read::All).await
    }

    pub(crate) async fn call(&self, method: Method, url: &str, read: Read) -> Seen {
        self.send(Request::builder().method(method).uri(url).body(Empty::new()).unwrap(), read).await
    }

    /// Sends a request. Its extensions reach the front end if the client supports them.
    pub(crate) async fn send(&self, request: Request<Empty<Bytes>>, read: Read) -> Seen {
        match self {
            Caller::Middleware(client) => {
                let (parts, _) = request.into_parts();
                let mut builder = client.request(parts.method, parts.uri.to_string()).headers(parts.headers);
                *builder.extensions() = parts.extensions;
                match builder.send().await {
                    Ok(response) => of_reqwest(response, read).await,
                    Err(error) => Seen::failed(error),
                }
            }
            Caller::ReqwestService(client) => match client.clone().oneshot(to_reqwest(request)).await {
                Ok(response) => of_reqwest(response, read).await,
                Err(error) => Seen::failed(error),
            },
            Caller::PlainReqwest(client) => match client.execute(to_reqwest(request)).await {
                Ok(response) => of_reqwest(response, read).await,
                Err(error) => Seen::failed(error),
            },
            Caller::HyperUtil(client) => match client.clone().oneshot(request).await {
                Ok(response) => of_body(response, read).await,
                Err(error) => Seen::failed(error),
            },
            Caller::PlainHyper(client) => match client.request(request).await {
                Ok(response) => of_body(response, read).await,
                Err(error) => Seen::failed(error),
            },
            Caller::AnyService(client, setup) => {
                let inner = tower::service_fn(|request| {
                    let sending = client.request(request);
                    async { Ok(sending.await?.map(|body| body.map_err(BoxError::from))) }
                });
                if setup.plain {
                    let result: Result<_, BoxError> = inner.oneshot(request).await;
                    return match result {
                        Ok(response) => of_body(response, read).await,
                        Err(error) => Seen::failed(error),
                    };
                }
                let layered = layer(setup).boxed_errors().boxed_body_errors().layer(inner);
                match layered.oneshot(request).await {
                    Ok(response) => of_body(response, read).await,
                    Err(error) => Seen::failed(error),
                }
            }
        }
    }
}

fn to_reqwest(request: Request<Empty<Bytes>>) -> reqwest::Request {
    let (parts, _) = request.into_parts();
    let mut request = reqwest::Request::new(parts.method, parts.uri.to_string().parse().unwrap());
    *request.headers_mut() = parts.headers;
    request
}

async fn of_reqwest(mut response: reqwest::Response, read: Read) -> Seen {
    let head = Ok(response.status());
    let body = match read {
        Read::All => response.bytes().await.map_err(|error| chain(&error)),
        Read::OnePiece => response.chunk().await.map(Option::unwrap_or_default).map_err(|error| chain(&error)),
        Read::Nothing => Ok(Bytes::new()),
    };
    Seen { head, body }
}

async fn of_body<B>(response: http::Response<B>, read: Read) -> Seen
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let head = Ok(response.status());
    let mut body = response.into_body();
    let body = match read {
        Read::All => body.collect().await.map(|all| all.to_bytes()),
        Read::OnePiece => match body.frame().await {
            Some(frame) => frame.map(|frame| frame.into_data().unwrap_or_default()),
            None => Ok(Bytes::new()),
        },
        Read::Nothing => Ok(Bytes::new()),
    };
    Seen { head, body: body.map_err(|error| chain(&*error.into())) }
}
