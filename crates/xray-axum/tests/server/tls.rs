//! The scheme of the recorded url, and requests without a host.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Extension;
use axum::routing::any;
use http::uri::Scheme as UriScheme;
use http::{Request, Version};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use xray_axum::{Scheme, XRayLayer};

use crate::support::{Documents, ask, layer, serve};

/// One TLS server around the router and the client configuration that knows its certificate.
async fn serve_tls(app: Router, alpn: &[u8]) -> (std::net::SocketAddr, ClientConfig) {
    let certified = rcgen::generate_simple_self_signed(["shop.test".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let certificate = certified.cert.der().clone();
    let mut server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    server.alpn_protocols = vec![alpn.to_vec()];
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let mut client = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![alpn.to_vec()];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(server));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, app) = (acceptor.clone(), app.clone());
            tokio::spawn(async move {
                let stream = acceptor.accept(stream).await.unwrap();
                let connection = auto::Builder::new(TokioExecutor::new());
                connection.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app)).await
            });
        }
    });
    (address, client)
}

/// The recorded `http.request` of one request over TLS.
async fn over_tls(app: Router, mut documents: Documents, version: Version) -> Value {
    let alpn: &[u8] = if version == Version::HTTP_2 { b"h2" } else { b"http/1.1" };
    let (address, config) = serve_tls(app, alpn).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("shop.test").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let io = TokioIo::new(stream);
    let request = Request::builder().header("x-forwarded-proto", "http");
    let response = if version == Version::HTTP_2 {
        let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        let request = request.uri("https://shop.test/a").body(Empty::<axum::body::Bytes>::new()).unwrap();
        sender.send_request(request).await.unwrap()
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let request = request.uri("/a").header("host", "shop.test").body(Empty::<axum::body::Bytes>::new()).unwrap();
        sender.send_request(request).await.unwrap()
    };
    assert_eq!(response.version(), version);
    response.into_body().collect().await.unwrap();
    documents.next().await["http"]["request"].take()
}

fn app() -> Router {
    Router::new().fallback(any(|| async { "ok" }))
}

#[tokio::test]
async fn a_url_behind_tls_is_https_as_the_server_says() {
    type Option = fn(XRayLayer) -> XRayLayer;
    let cases: [(Option, bool, Version); 4] = [
        (|layer| layer, false, Version::HTTP_2),
        (|layer| layer.scheme(Scheme::Https), false, Version::HTTP_11),
        // The server's own layer around it says so.
        (|layer| layer, true, Version::HTTP_11),
        (|layer| layer, true, Version::HTTP_2),
    ];
    for (option, extension, version) in cases {
        let (layer, documents) = layer("shop");
        let mut app = app().layer(option(layer));
        if extension {
            app = app.layer(Extension(UriScheme::HTTPS));
        }
        let request = over_tls(app, documents, version).await;
        assert_eq!(request["url"], "https://shop.test/a", "{extension} {version:?}");
    }
}

#[tokio::test]
async fn the_scheme_is_that_of_the_option_of_the_trusted_header_or_of_the_target() {
    type Option = fn(XRayLayer) -> XRayLayer;
    const TRUST: Option = |layer| layer.trust_forwarded_proto(true);
    let cases: [(Option, &str, &str); 9] = [
        (|layer| layer, "https", "http"),
        (TRUST, "https", "https"),
        (TRUST, "HTTPS, http", "https"),
        (TRUST, "http,https", "http"),
        (TRUST, "wss", "https"),
        (TRUST, "gopher", "http"),
        (TRUST, "https://evil.test/", "http"),
        (|layer| layer.scheme(Scheme::Https), "http", "https"),
        (|layer| TRUST(layer).scheme(Scheme::Http), "https", "http"),
    ];
    for (option, header, scheme) in cases {
        let (layer, mut documents) = layer("shop");
        let address = serve(app().layer(option(layer))).await;
        ask(address, "GET /a", &[&format!("X-Forwarded-Proto: {header}")]).await.unwrap();
        assert_eq!(documents.next().await["http"]["request"]["url"], format!("{scheme}://shop.test/a"), "{header}");
    }
}

#[tokio::test]
async fn targets_without_a_path_and_requests_without_a_host() {
    for (line, host, url) in [
        ("OPTIONS *", Some("shop.test"), json!("http://shop.test")),
        ("CONNECT db.test:5432", Some("shop.test"), json!("http://db.test:5432")),
        ("CONNECT db.test:5432", None, json!("http://db.test:5432")),
        ("GET /a", None, Value::Null),
        ("GET /a", Some(""), Value::Null),
        ("GET /a", Some("user:secret@"), Value::Null),
        ("OPTIONS *", None, Value::Null),
    ] {
        let (layer, mut documents) = layer("shop");
        let address = serve(app().layer(layer)).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let host_line = host.map(|host| format!("Host: {host}\r\n")).unwrap_or_default();
        let text = format!("{line} HTTP/1.1\r\n{host_line}Connection: close\r\n\r\n");
        tokio::io::AsyncWriteExt::write_all(&mut stream, text.as_bytes()).await.unwrap();
        let document = documents.next().await;
        let mut expected = json!({"method": line.split(' ').next(), "client_ip": "127.0.0.1"});
        if !url.is_null() {
            expected["url"] = url;
        }
        assert_eq!(document["http"]["request"], expected, "{line} {host:?}");
        assert_eq!(document["name"], "shop");
    }
}

#[tokio::test]
async fn a_request_without_a_connection_has_a_url_and_no_address() {
    let (layer, mut documents) = layer("shop");
    let app: Router<()> = app().layer(layer.scheme(Scheme::Https));
    let request = Request::get("/a").header("host", "shop.test").body(Body::empty()).unwrap();
    let response = tower::ServiceExt::oneshot(app, request).await.unwrap();
    response.into_body().collect().await.unwrap();
    // No connection, no address.
    let request = &documents.next().await["http"]["request"];
    assert_eq!(*request, json!({"method": "GET", "url": "https://shop.test/a"}));
}
