//! The scheme of the recorded url, and requests without a host.

use std::sync::Arc;

use actix_web::{App, HttpResponse, HttpServer, web};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use xray_actix::{Scheme, XRay};

use crate::support::{ask, serve, start, xray};

/// The recorded `http.request` of one request over TLS to `target`.
async fn over_tls(option: fn(XRay) -> XRay, alpn: &[u8], target: &str) -> Value {
    let certified = rcgen::generate_simple_self_signed(["shop.test".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let certificate = certified.cert.der().clone();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth();
    let config = config.with_single_cert(vec![certificate.clone()], key).unwrap();
    let (xray, mut documents) = xray("shop");
    let xray = option(xray);
    let app = move || App::new().wrap(xray.clone()).default_service(web::to(HttpResponse::Ok));
    let server = HttpServer::new(app).workers(1).disable_signals();
    let server = server.bind_rustls_0_23("127.0.0.1:0", config).unwrap();
    let address = start(server.addrs()[0], server.run());
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let mut client = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![alpn.to_vec()];
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("shop.test").unwrap();
    let io = TokioIo::new(TlsConnector::from(Arc::new(client)).connect(name, stream).await.unwrap());
    let request = hyper::Request::builder().uri(target).header("x-forwarded-proto", "http");
    let response = if alpn == b"h2" {
        let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request.body(Empty::<web::Bytes>::new()).unwrap()).await.unwrap()
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let request = request.header("host", "shop.test").body(Empty::<web::Bytes>::new()).unwrap();
        sender.send_request(request).await.unwrap()
    };
    response.into_body().collect().await.unwrap();
    documents.next().await["http"]["request"].take()
}

#[tokio::test]
async fn a_url_behind_tls_is_https() {
    for (alpn, target) in
        [(&b"http/1.1"[..], "/a"), (b"http/1.1", "http://shop.test/a"), (b"h2", "https://shop.test/a")]
    {
        let request = over_tls(|xray| xray, alpn, target).await;
        assert_eq!(request["url"], "https://shop.test/a", "{target}");
        assert_eq!(request["client_ip"], "127.0.0.1", "{target}");
    }
    let request = over_tls(|xray| xray.scheme(Scheme::Http), b"http/1.1", "/a").await;
    assert_eq!(request["url"], "http://shop.test/a");
}

#[tokio::test]
async fn the_scheme_is_that_of_the_option_or_of_the_trusted_header() {
    type Option = fn(XRay) -> XRay;
    const TRUST: Option = |xray| xray.trust_forwarded_proto(true);
    let cases: [(Option, &str, &str); 5] = [
        (|xray| xray, "https", "http"),
        (TRUST, "https", "https"),
        (TRUST, "https, http", "https"),
        (TRUST, "gopher", "http"),
        (|xray| xray.scheme(Scheme::Https), "http", "https"),
    ];
    for (option, header, scheme) in cases {
        let (xray, mut documents) = xray("shop");
        let address = serve(option(xray), |app| {
            app.default_service(web::to(HttpResponse::Ok));
        });
        ask(address, "GET /a", &[&format!("X-Forwarded-Proto: {header}")]).await.unwrap();
        assert_eq!(documents.next().await["http"]["request"]["url"], format!("{scheme}://shop.test/a"), "{header}");
    }
}

#[tokio::test]
async fn targets_without_a_path_and_requests_without_a_host() {
    for (line, host, url) in [
        ("OPTIONS *", Some("shop.test"), json!("http://shop.test")),
        ("CONNECT db.test:5432", Some("shop.test"), json!("http://db.test:5432")),
        ("GET /a", None, Value::Null),
        ("GET /a", Some(""), Value::Null),
        ("OPTIONS *", None, Value::Null),
    ] {
        let (xray, mut documents) = xray("shop");
        let address = serve(xray, |app| {
            app.default_service(web::to(HttpResponse::Ok));
        });
        let mut stream = TcpStream::connect(address).await.unwrap();
        let host_line = host.map(|host| format!("Host: {host}\r\n")).unwrap_or_default();
        // HTTP/1.0 has no need of a host.
        let version = if host.is_some() { "1.1" } else { "1.0" };
        stream.write_all(format!("{line} HTTP/{version}\r\n{host_line}\r\n").as_bytes()).await.unwrap();
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
async fn the_application_says_who_the_client_is() {
    for (says, expected) in [(None, "127.0.0.1"), (Some([192, 0, 2, 7].into()), "192.0.2.7")] {
        let (xray, mut documents) = xray("shop");
        let address = serve(xray.peer(move |_| says), |app| {
            app.default_service(web::to(HttpResponse::Ok));
        });
        ask(address, "GET /a", &[]).await.unwrap();
        assert_eq!(documents.next().await["http"]["request"]["client_ip"], expected);
    }
}
