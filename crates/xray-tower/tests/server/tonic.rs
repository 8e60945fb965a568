//! The layer in tonic's server, with tonic's client.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};

use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::Request;
use tonic::service::LayerExt;
use tonic::transport::server::{Connected, TcpIncoming};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity, Server, ServerTlsConfig};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_web::GrpcWebLayer;
use tower::{ServiceBuilder, ServiceExt, service_fn};
use xray_tower::XRayLayer;

use crate::layer;

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn check(channel: Channel, service: &str) -> Result<(), tonic::Status> {
    let request = HealthCheckRequest { service: service.to_owned() };
    HealthClient::new(channel).check(request).await.map(|_| ())
}

/// Returns URL, address and flags of a call.
fn told(document: &Value) -> (&str, &str, bool) {
    let request = &document["http"]["request"];
    let text = |member: &str| request[member].as_str().unwrap_or_default();
    (text("url"), text("client_ip"), document["error"] == true)
}

#[tokio::test]
async fn the_clients_address_and_the_grpc_status_are_recorded() {
    let (layer, mut documents) = layer("shop");
    let (listener, address) = listener().await;
    let (_reporter, health) = tonic_health::server::health_reporter();
    let server = Server::builder().layer(layer).add_service(health);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    let url = format!("http://{address}/grpc.health.v1.Health/Check");
    check(channel.clone(), "").await.unwrap();
    assert_eq!(told(&documents.next().await), (&*url, "127.0.0.1", false));
    // Status 5: not found.
    check(channel, "nowhere").await.unwrap_err();
    assert_eq!(told(&documents.next().await), (&*url, "127.0.0.1", true));
}

#[tokio::test]
async fn behind_tls_the_clients_address_and_the_scheme_are_recorded() {
    // rustls does not choose among several providers in a build. Another test may already have set the provider.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    let certified = rcgen::generate_simple_self_signed(["shop.test".to_owned()]).unwrap();
    let certificate = certified.cert.pem();
    let identity = Identity::from_pem(&certificate, certified.signing_key.serialize_pem());
    let (layer, mut documents) = layer("shop");
    let (listener, address) = listener().await;
    let (_reporter, health) = tonic_health::server::health_reporter();
    let server = Server::builder().tls_config(ServerTlsConfig::new().identity(identity)).unwrap();
    let server = server.layer(layer).add_service(health);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(certificate)).domain_name("shop.test");
    let endpoint = Endpoint::from_shared(format!("https://{address}")).unwrap().tls_config(tls).unwrap();
    check(endpoint.connect().await.unwrap(), "").await.unwrap();
    let url = format!("https://{address}/grpc.health.v1.Health/Check");
    assert_eq!(told(&documents.next().await), (&*url, "127.0.0.1", false));
}

/// A connection with custom connect info.
struct Proxied(TcpStream);

#[derive(Clone)]
struct ProxiedFor(IpAddr);

impl Connected for Proxied {
    type ConnectInfo = ProxiedFor;

    fn connect_info(&self) -> ProxiedFor {
        ProxiedFor([192, 0, 2, 7].into())
    }
}

impl tokio::io::AsyncRead for Proxied {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl tokio::io::AsyncWrite for Proxied {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        std::pin::Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: std::pin::Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: std::pin::Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn the_application_supplies_the_client_of_a_custom_connection() {
    let (layer, mut documents) = layer("shop");
    let layer = layer.peer(|request| request.extensions().get::<ProxiedFor>().map(|info| info.0));
    let (listener, address) = listener().await;
    let (_reporter, health) = tonic_health::server::health_reporter();
    let incoming = proxied(listener);
    tokio::spawn(Server::builder().layer(layer).add_service(health).serve_with_incoming(incoming));
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    check(endpoint.connect().await.unwrap(), "").await.unwrap();
    assert_eq!(told(&documents.next().await).1, "192.0.2.7");
}

fn proxied(listener: TcpListener) -> impl futures_util::Stream<Item = std::io::Result<Proxied>> {
    futures_util::stream::unfold(listener, |listener| async move {
        let connection = listener.accept().await.map(|(stream, _)| Proxied(stream));
        Some((connection, listener))
    })
}

#[tokio::test]
async fn a_unix_socket_has_the_address_that_the_application_supplies_or_none() {
    for says in [None, Some(IpAddr::from([127, 0, 0, 1]))] {
        let (mut layer, mut documents) = layer("shop");
        if says.is_some() {
            layer = layer.peer(move |_| says);
        }
        let path = std::env::temp_dir().join(format!("xray-tower-{}-{}.sock", std::process::id(), says.is_some()));
        let _ = std::fs::remove_file(&path);
        let incoming = UnixListenerStream::new(UnixListener::bind(&path).unwrap());
        let (_reporter, health) = tonic_health::server::health_reporter();
        tokio::spawn(Server::builder().layer(layer).add_service(health).serve_with_incoming(incoming));
        let connect = path.clone();
        let connector = service_fn(move |_| {
            let path = connect.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        });
        let channel = Endpoint::from_static("http://shop.test").connect_with_connector(connector).await.unwrap();
        check(channel, "").await.unwrap();
        let document = documents.next().await;
        let expected = says.map(|address| address.to_string()).unwrap_or_default();
        assert_eq!(told(&document), ("http://shop.test/grpc.health.v1.Health/Check", &*expected, false));
        std::fs::remove_file(path).unwrap();
    }
}

#[tokio::test]
async fn a_watch_is_recorded_when_its_stream_begins() {
    let (layer, mut documents) = layer("shop");
    let layer: XRayLayer = layer.end_at_headers(|request, _| request.uri().path().ends_with("/Watch"));
    let (listener, address) = listener().await;
    let (reporter, health) = tonic_health::server::health_reporter();
    let server = Server::builder().layer(layer).add_service(health);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    let mut client = HealthClient::new(channel);
    let request = Request::new(HealthCheckRequest { service: String::new() });
    let mut watch = client.watch(request).await.unwrap().into_inner();
    let document = documents.next().await;
    assert_eq!(document["http"]["response"]["status"], 200);
    // The stream stays open.
    watch.message().await.unwrap().unwrap();
    reporter.set_service_status("", ServingStatus::NotServing).await;
    watch.message().await.unwrap().unwrap();
    drop(watch);
    // A unary call is recorded until its trailers.
    client.check(HealthCheckRequest { service: "nowhere".to_owned() }).await.unwrap_err();
    assert_eq!(documents.next().await["error"], true);
    documents.assert_empty();
}

#[tokio::test]
async fn a_layer_around_a_single_tonic_service_records_the_clients_address() {
    let (layer, mut documents) = layer("shop");
    let (listener, address) = listener().await;
    let (_reporter, health) = tonic_health::server::health_reporter();
    let server = Server::builder().add_service(layer.named_layer(health));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    check(channel, "").await.unwrap();
    assert_eq!(told(&documents.next().await).1, "127.0.0.1");
}

#[tokio::test]
async fn inside_grpc_web_the_status_of_the_trailers_is_recorded() {
    let (layer, mut documents) = layer("shop");
    // The stream fails after its first message.
    let service = service_fn(|_: http::Request<tonic::body::Body>| async {
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", http::HeaderValue::from_static("13"));
        let data = http_body_util::Full::new(bytes::Bytes::from_static(&[0; 5]));
        let body = tonic::body::Body::new(data.with_trailers(async move { Some(Ok(trailers)) }));
        Ok::<_, Infallible>(http::Response::builder().header("content-type", "application/grpc").body(body).unwrap())
    });
    let service = ServiceBuilder::new().layer(GrpcWebLayer::new()).layer(layer).service(service);
    let request = http::Request::post("/shop.Orders/List").header("content-type", "application/grpc-web+proto");
    let response = service.oneshot(request.body(tonic::body::Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/grpc-web+proto");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(body.windows(14).any(|bytes| bytes == b"grpc-status:13"), "{body:?}");
    assert_eq!(documents.next().await["fault"], true);
}
