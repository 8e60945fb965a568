//! The messages, the client and the server of `inventory.proto`, as short as possible. In your program,
//! `tonic-prost-build` generates them; here, the example needs no `protoc`.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use http::uri::PathAndQuery;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::server::NamedService;
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower::{BoxError, Service, service_fn};
use xray_tower::client::XRayClient;

use crate::inventory::Inventory;

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Item {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Stock {
    #[prost(string, tag = "1")]
    pub(crate) item: String,
    #[prost(uint32, tag = "2")]
    pub(crate) count: u32,
}

/// The client. That of `tonic-prost-build` takes any service, so also a traced channel.
#[derive(Clone)]
pub(crate) struct InventoryClient {
    grpc: Grpc<XRayClient<Channel>>,
}

impl InventoryClient {
    pub(crate) fn new(channel: XRayClient<Channel>) -> InventoryClient {
        InventoryClient { grpc: Grpc::new(channel) }
    }

    pub(crate) async fn reserve(&mut self, item: Item) -> Result<Response<Stock>, Status> {
        self.ready().await?;
        let path = PathAndQuery::from_static("/shop.Inventory/Reserve");
        self.grpc.unary(Request::new(item), path, ProstCodec::default()).await
    }

    pub(crate) async fn restock(
        &mut self,
        items: impl Stream<Item = Item> + Send + 'static,
    ) -> Result<Response<Stock>, Status> {
        self.ready().await?;
        let path = PathAndQuery::from_static("/shop.Inventory/Restock");
        self.grpc.client_streaming(Request::new(items), path, ProstCodec::default()).await
    }

    pub(crate) async fn watch(&mut self, item: Item) -> Result<Response<Streaming<Stock>>, Status> {
        self.ready().await?;
        let path = PathAndQuery::from_static("/shop.Inventory/Watch");
        self.grpc.server_streaming(Request::new(item), path, ProstCodec::default()).await
    }

    async fn ready(&mut self) -> Result<(), Status> {
        self.grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))
    }
}

/// The server.
#[derive(Clone)]
pub(crate) struct InventoryServer {
    inventory: Arc<Inventory>,
}

impl InventoryServer {
    pub(crate) fn new(inventory: Inventory) -> InventoryServer {
        InventoryServer { inventory: Arc::new(inventory) }
    }
}

impl NamedService for InventoryServer {
    const NAME: &'static str = "shop.Inventory";
}

/// The stream of a response.
pub(crate) type Stocks = BoxStream<'static, Result<Stock, Status>>;

impl<B> Service<http::Request<B>> for InventoryServer
where
    B: http_body::Body + Send + 'static,
    B::Error: Into<BoxError> + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let inventory = self.inventory.clone();
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(ProstCodec::<Stock, Item>::default());
            Ok(match request.uri().path() {
                "/shop.Inventory/Reserve" => {
                    grpc.unary(service_fn(|request| Inventory::reserve(inventory.clone(), request)), request).await
                }
                "/shop.Inventory/Restock" => {
                    let method = service_fn(|request| Inventory::restock(inventory.clone(), request));
                    grpc.client_streaming(method, request).await
                }
                "/shop.Inventory/Watch" => {
                    let method = service_fn(|request| Inventory::watch(inventory.clone(), request));
                    grpc.server_streaming(method, request).await
                }
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}
