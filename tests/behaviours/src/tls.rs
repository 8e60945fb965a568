//! A certificate for the host `shop.test`, and requests over TLS.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

/// The protocol of a connection, as ALPN names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// `http/1.1`.
    Http1,
    /// `h2`.
    Http2,
}

impl Protocol {
    fn alpn(self) -> Vec<u8> {
        match self {
            Protocol::Http1 => b"http/1.1".to_vec(),
            Protocol::Http2 => b"h2".to_vec(),
        }
    }
}

/// One certificate for all tests of a process, and its key.
static CERTIFICATE: LazyLock<(CertificateDer<'static>, Vec<u8>)> = LazyLock::new(|| {
    let certified = rcgen::generate_simple_self_signed(["shop.test".to_owned()]).unwrap();
    (certified.cert.der().clone(), certified.signing_key.serialize_der())
});

/// Returns the configuration of a server with the certificate, for both protocols.
pub fn server_config() -> ServerConfig {
    let (certificate, key) = &*CERTIFICATE;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], PrivateKeyDer::try_from(key.clone()).unwrap())
        .unwrap();
    config.alpn_protocols = [Protocol::Http2, Protocol::Http1].map(Protocol::alpn).to_vec();
    config
}

fn client_config(protocol: Protocol) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CERTIFICATE.0.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.alpn()];
    config
}

/// Makes a GET request over TLS and reads the response. It has an `X-Forwarded-Proto` that says `http`.
pub async fn get(address: SocketAddr, protocol: Protocol, target: &str) {
    let stream = TcpStream::connect(address).await.unwrap();
    let connector = TlsConnector::from(Arc::new(client_config(protocol)));
    let stream = connector.connect(ServerName::try_from("shop.test").unwrap(), stream).await.unwrap();
    let io = TokioIo::new(stream);
    let request = Request::builder().uri(target).header("x-forwarded-proto", "http");
    let body = Empty::<Bytes>::new();
    let response = match protocol {
        Protocol::Http1 => {
            let (mut sender, connection) = http1::handshake(io).await.unwrap();
            tokio::spawn(connection);
            sender.send_request(request.header("host", "shop.test").body(body).unwrap()).await.unwrap()
        }
        Protocol::Http2 => {
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
            tokio::spawn(connection);
            sender.send_request(request.body(body).unwrap()).await.unwrap()
        }
    };
    assert_eq!(response.version() == hyper::Version::HTTP_2, protocol == Protocol::Http2);
    response.into_body().collect().await.unwrap();
}
