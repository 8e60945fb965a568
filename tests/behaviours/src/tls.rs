//! Certificates for tests, and requests over TLS.

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
static CERTIFICATE: LazyLock<Certificate> = LazyLock::new(|| Certificate::new("shop.test"));

struct Certificate {
    der: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Certificate {
    fn new(name: &str) -> Certificate {
        let certified = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        Certificate { der: certified.cert.der().clone(), key: certified.signing_key.serialize_der() }
    }

    fn server_config(&self) -> ServerConfig {
        ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.der.clone()], PrivateKeyDer::try_from(self.key.clone()).unwrap())
            .unwrap()
    }
}

fn client_config(trusted: Option<&Certificate>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(trusted.map(|certificate| certificate.der.clone()));
    ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// Returns the configuration of a server with the certificate, for both protocols.
pub fn server_config() -> ServerConfig {
    let mut config = CERTIFICATE.server_config();
    config.alpn_protocols = [Protocol::Http2, Protocol::Http1].map(Protocol::alpn).to_vec();
    config
}

/// Returns the configuration of a server with a new certificate for `name`, and that of a client that trusts it.
pub fn certified(name: &str) -> (ServerConfig, ClientConfig) {
    let certificate = Certificate::new(name);
    (certificate.server_config(), client_config(Some(&certificate)))
}

/// Returns the configuration of a client that trusts no certificate.
pub fn trusting_no_certificate() -> ClientConfig {
    client_config(None)
}

/// Makes a GET request over TLS and reads the response. It has an `X-Forwarded-Proto` that says `http`.
pub async fn get(address: SocketAddr, protocol: Protocol, target: &str) {
    let stream = TcpStream::connect(address).await.unwrap();
    let mut config = client_config(Some(&CERTIFICATE));
    config.alpn_protocols = vec![protocol.alpn()];
    let connector = TlsConnector::from(Arc::new(config));
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
