//! A service whose messages are texts, with a method of each kind, and the client for it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, BufMut};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt, TryStreamExt};
use http::uri::PathAndQuery;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tonic::body::Body;
use tonic::client::{Grpc, GrpcService};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::server::NamedService;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic::{Code, Request, Response, Status, Streaming};
use tower::{Service, service_fn};
use xray_behaviours::documents::{Documents, recorder_with};
use xray_core::sampling::Always;
use xray_tower::XRayLayer;
use xray_tower::client::XRayClient;

use crate::Caller;

/// The user agent of the callers in these tests.
pub(crate) const USER_AGENT: &str = "tests";

/// Messages that are texts.
#[derive(Clone, Copy)]
struct Texts;

impl Codec for Texts {
    type Encode = String;
    type Decode = String;
    type Encoder = Texts;
    type Decoder = Texts;

    fn encoder(&mut self) -> Texts {
        Texts
    }

    fn decoder(&mut self) -> Texts {
        Texts
    }
}

impl Encoder for Texts {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, text: String, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(text.as_bytes());
        Ok(())
    }
}

impl Decoder for Texts {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        String::from_utf8(bytes.to_vec()).map(Some).map_err(|_| Status::invalid_argument("not a text"))
    }
}

type Answer<T> = Result<Response<T>, Status>;
type Texted = BoxStream<'static, Result<String, Status>>;

/// The service. Requests say what it does:
///
/// | Message | Response |
/// |---|---|
/// | `fail CODE MESSAGE` | fails with this status |
/// | `hang` | never comes |
/// | `panic` | panics |
/// | `header NAME` | the value of this header |
/// | `forward METHOD` | that of the next service to `header x-amzn-trace-id` |
/// | any other | the same text |
///
/// `Get` and `Chat` respond to each message, `List` to each line of one message, `Collect` with all responses in one.
#[derive(Clone)]
pub(crate) struct Inventory {
    /// Has a permit for each `hang` that has begun.
    pub(crate) hanging: Arc<Semaphore>,
    next: Option<Grpc<XRayClient<Channel>>>,
}

impl NamedService for Inventory {
    const NAME: &'static str = "shop.Inventory";
}

impl Inventory {
    fn new(next: Option<&Caller>) -> Inventory {
        Inventory { hanging: Arc::new(Semaphore::new(0)), next: next.map(|caller| caller.client.clone()) }
    }

    async fn respond(&self, message: &str, headers: &MetadataMap) -> Result<String, Status> {
        let words: Vec<_> = message.splitn(3, ' ').collect();
        match words[..] {
            ["fail", code, message] => Err(Status::new(Code::from(code.parse::<i32>().unwrap()), message)),
            ["panic"] => panic!("out of paper"),
            ["hang"] => {
                self.hanging.add_permits(1);
                std::future::pending().await
            }
            ["header", name] => Ok(headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned()),
            ["forward", method] => {
                let responses = call(&mut self.next.clone().unwrap(), method, &["header x-amzn-trace-id"]).await?;
                Ok(responses.concat())
            }
            _ => Ok(message.to_owned()),
        }
    }

    fn responses(
        self,
        messages: impl Stream<Item = Result<String, Status>> + Send + 'static,
        headers: MetadataMap,
    ) -> Texted {
        let (this, headers) = (Arc::new(self), Arc::new(headers));
        messages
            .and_then(move |message| {
                let (this, headers) = (this.clone(), headers.clone());
                async move { this.respond(&message, &headers).await }
            })
            .boxed()
    }

    async fn get(self, request: Request<String>) -> Answer<String> {
        self.respond(request.get_ref(), request.metadata()).await.map(Response::new)
    }

    async fn list(self, request: Request<String>) -> Answer<Texted> {
        let (headers, _, message) = request.into_parts();
        let lines: Vec<_> = message.lines().map(|line| Ok(line.to_owned())).collect();
        Ok(Response::new(self.responses(stream::iter(lines), headers)))
    }

    async fn collect(self, request: Request<Streaming<String>>) -> Answer<String> {
        let (headers, _, messages) = request.into_parts();
        self.responses(messages, headers).try_collect().await.map(Response::new)
    }

    async fn chat(self, request: Request<Streaming<String>>) -> Answer<Texted> {
        let (headers, _, messages) = request.into_parts();
        Ok(Response::new(self.responses(messages, headers)))
    }
}

impl<B> Service<http::Request<B>> for Inventory
where
    B: http_body::Body + Send + 'static,
    B::Error: Into<tower::BoxError> + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(Texts);
            Ok(match request.uri().path() {
                "/shop.Inventory/Get" => grpc.unary(service_fn(|request| this.clone().get(request)), request).await,
                "/shop.Inventory/List" => {
                    grpc.server_streaming(service_fn(|request| this.clone().list(request)), request).await
                }
                "/shop.Inventory/Collect" => {
                    grpc.client_streaming(service_fn(|request| this.clone().collect(request)), request).await
                }
                "/shop.Inventory/Chat" => {
                    grpc.streaming(service_fn(|request| this.clone().chat(request)), request).await
                }
                _ => Status::unimplemented("").into_http(),
            })
        })
    }
}

/// Calls a method, and reads the response to its end.
pub(crate) async fn call<T>(client: &mut Grpc<T>, method: &str, messages: &[&str]) -> Result<Vec<String>, Status>
where
    T: GrpcService<Body>,
    T::Error: Into<tower::BoxError>,
    T::ResponseBody: Send + 'static,
    <T::ResponseBody as http_body::Body>::Error: Into<tower::BoxError>,
{
    match method {
        "Get" => Ok(vec![get(client, Request::new(messages.join("\n"))).await?]),
        "Collect" => Ok(vec![collect(client, messages).await?]),
        _ => open(client, method, messages).await?.try_collect().await,
    }
}

/// Waits until the client is ready, and returns the path of the method.
async fn ready<T>(client: &mut Grpc<T>, method: &str) -> Result<PathAndQuery, Status>
where
    T: GrpcService<Body>,
    T::Error: Into<tower::BoxError>,
{
    client.ready().await.map_err(|error| Status::from_error(error.into()))?;
    Ok(format!("/shop.Inventory/{method}").parse().unwrap())
}

/// Calls the method whose request and response are single messages.
pub(crate) async fn get<T>(client: &mut Grpc<T>, request: Request<String>) -> Result<String, Status>
where
    T: GrpcService<Body>,
    T::Error: Into<tower::BoxError>,
    T::ResponseBody: Send + 'static,
    <T::ResponseBody as http_body::Body>::Error: Into<tower::BoxError>,
{
    let path = ready(client, "Get").await?;
    client.unary(request, path, Texts).await.map(Response::into_inner)
}

async fn collect<T>(client: &mut Grpc<T>, messages: &[&str]) -> Result<String, Status>
where
    T: GrpcService<Body>,
    T::Error: Into<tower::BoxError>,
    T::ResponseBody: Send + 'static,
    <T::ResponseBody as http_body::Body>::Error: Into<tower::BoxError>,
{
    let path = ready(client, "Collect").await?;
    client.client_streaming(Request::new(outgoing(messages)), path, Texts).await.map(Response::into_inner)
}

/// Calls a method whose response is a stream.
pub(crate) async fn open<T>(client: &mut Grpc<T>, method: &str, messages: &[&str]) -> Result<Streaming<String>, Status>
where
    T: GrpcService<Body>,
    T::Error: Into<tower::BoxError>,
    T::ResponseBody: Send + 'static,
    <T::ResponseBody as http_body::Body>::Error: Into<tower::BoxError>,
{
    let path = ready(client, method).await?;
    match method {
        "List" => client.server_streaming(Request::new(messages.join("\n")), path, Texts).await,
        _ => client.streaming(Request::new(outgoing(messages)), path, Texts).await,
    }
    .map(Response::into_inner)
}

/// Calls the method whose request is a stream as well, with a stream of the caller's.
pub(crate) async fn chat(
    client: &mut Grpc<XRayClient<Channel>>,
    messages: impl Stream<Item = String> + Send + 'static,
) -> Result<Streaming<String>, Status> {
    let path = ready(client, "Chat").await?;
    client.streaming(Request::new(messages), path, Texts).await.map(Response::into_inner)
}

fn outgoing(messages: &[&str]) -> impl Stream<Item = String> + Send + 'static {
    stream::iter(messages.iter().map(|message| (*message).to_owned()).collect::<Vec<_>>())
}

/// A running service.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) documents: Documents,
    pub(crate) hanging: Arc<Semaphore>,
}

/// Starts the service with the layer around it.
pub(crate) async fn serve() -> Running {
    serve_by(Server::builder(), None).await
}

/// Starts the service in a server with options. `next` is the service that `forward` calls.
pub(crate) async fn serve_by(server: Server, next: Option<&Caller>) -> Running {
    let serve = |layer, service, incoming| server.layer(layer).add_service(service).serve_with_incoming(incoming);
    Running::start(next, serve).await
}

impl Running {
    /// Starts the service in the server that `serve` makes of it and the layer.
    pub(crate) async fn start<F>(
        next: Option<&Caller>,
        serve: impl FnOnce(XRayLayer, Inventory, TcpIncoming) -> F,
    ) -> Running
    where
        F: Future<Output = Result<(), tonic::transport::Error>> + Send + 'static,
    {
        let (recorder, documents) = recorder_with(Always);
        let service = Inventory::new(next);
        let hanging = service.hanging.clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let layer = XRayLayer::new("inventory").recorder(recorder);
        tokio::spawn(serve(layer, service, TcpIncoming::from(listener)));
        Running { address, documents, hanging }
    }

    /// Waits for the next document of the service. Of the user agent, its own part remains.
    pub(crate) async fn document(&mut self) -> Value {
        let mut document = self.documents.next().await;
        let agent = &mut document["http"]["request"]["user_agent"];
        *agent = agent.as_str().unwrap().split(' ').next().into();
        document
    }
}
