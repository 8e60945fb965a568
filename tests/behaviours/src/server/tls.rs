//! The scheme of recorded URLs on a server that knows that its connections are TLS.

use xray_core::adapter::Scheme;

use super::App;
use super::adapter::Adapter;
use crate::tls::Protocol;

const CASES: [(Protocol, &str); 3] =
    [(Protocol::Http1, "/a"), (Protocol::Http1, "http://shop.test/a"), (Protocol::Http2, "https://shop.test/a")];

pub(super) async fn a_url_behind_tls_is_https(adapter: &Adapter) {
    for (protocol, target) in CASES {
        let (server, mut documents) = adapter.serve(App::ok());
        server.get_over_tls(protocol, target).await;
        let request = documents.next().await["http"]["request"].take();
        assert_eq!(request["url"], "https://shop.test/a", "{protocol:?} {target}");
        assert_eq!(request["client_ip"], "127.0.0.1", "{protocol:?} {target}");
    }
}

pub(super) async fn the_scheme_option_takes_precedence_over_tls(adapter: &Adapter) {
    let (server, mut documents) = adapter.serve(App { scheme: Some(Scheme::Http), ..App::ok() });
    server.get_over_tls(Protocol::Http1, "/a").await;
    assert_eq!(documents.next().await["http"]["request"]["url"], "http://shop.test/a");
}
