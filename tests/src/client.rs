//! The instrumented HTTP clients.

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use tower::{Layer, ServiceExt};
use xray_reqwest::{XRayClient, XRayClientLayer, XRayMiddleware};

/// The library that makes a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Library {
    /// reqwest, with a middleware.
    Reqwest,
    /// hyper-util's client, with a tower layer.
    Hyper,
}

impl Library {
    /// Returns the library with this name.
    pub fn named(name: &str) -> Option<Library> {
        match name {
            "reqwest" => Some(Library::Reqwest),
            "hyper" => Some(Library::Hyper),
            _ => None,
        }
    }
}

/// A client whose calls are recorded. It follows no redirects and uses no proxy.
#[derive(Clone, Debug)]
pub struct Client(Inner);

#[derive(Clone, Debug)]
enum Inner {
    Reqwest(ClientWithMiddleware),
    Hyper(Box<XRayClient<legacy::Client<HttpConnector, Empty<Bytes>>>>),
}

impl Client {
    /// Creates a client. `traced` states whether the called services are traced.
    ///
    /// # Panics
    /// Panics if the library cannot be initialised.
    pub fn new(library: Library, traced: bool) -> Client {
        Client(match library {
            Library::Reqwest => {
                let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build();
                let client = client.expect("a client without TLS can always be built");
                Inner::Reqwest(ClientBuilder::new(client).with(XRayMiddleware::new().traced(traced)).build())
            }
            Library::Hyper => {
                let client = legacy::Client::builder(TokioExecutor::new()).build_http();
                Inner::Hyper(Box::new(XRayClientLayer::new().traced(traced).layer(client)))
            }
        })
    }

    /// Makes a call, reads the whole response, and returns its status.
    ///
    /// # Errors
    /// Returns the reason why there is no response.
    pub async fn call(&self, method: Method, url: &str) -> Result<u16, String> {
        self.call_with(method, url, HeaderMap::new()).await
    }

    /// Makes a call with these headers, reads the whole response, and returns its status.
    ///
    /// # Errors
    /// Returns the reason why there is no response.
    pub async fn call_with(&self, method: Method, url: &str, headers: HeaderMap) -> Result<u16, String> {
        match &self.0 {
            Inner::Reqwest(client) => {
                let request = client.request(method, url).headers(headers);
                let response = request.send().await.map_err(|error| error.to_string())?;
                let status = response.status().as_u16();
                response.bytes().await.map_err(|error| error.to_string())?;
                Ok(status)
            }
            Inner::Hyper(client) => {
                let request = Request::builder().method(method).uri(url).body(Empty::new());
                let mut request = request.map_err(|error| error.to_string())?;
                *request.headers_mut() = headers;
                let response = client.as_ref().clone().oneshot(request).await.map_err(|error| error.to_string())?;
                let status = response.status().as_u16();
                response.into_body().collect().await.map_err(|error| error.to_string())?;
                Ok(status)
            }
        }
    }
}
