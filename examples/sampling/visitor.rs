//! A visitor of the shop, who asks for a decision on each request and counts.

use std::net::SocketAddr;

use xray_core::Recorder;
use xray_core::sampling::{Explanation, SamplingRequest};

const REQUESTS: [(&str, &str); 3] = [("GET", "/health"), ("POST", "/checkout"), ("GET", "/orders/7")];

pub(crate) struct Visitor {
    client: reqwest::Client,
    shop: SocketAddr,
}

/// What became of some equal requests.
pub(crate) struct Visit {
    pub(crate) request: String,
    pub(crate) made: usize,
    pub(crate) recorded: usize,
    /// What would become of one more.
    pub(crate) next: Explanation,
}

impl Visitor {
    pub(crate) fn new(shop: SocketAddr) -> Visitor {
        Visitor { client: reqwest::Client::new(), shop }
    }

    /// Makes each request so many times, in quick succession.
    pub(crate) async fn visit(&self, times: usize) -> Result<Vec<Visit>, Box<dyn std::error::Error>> {
        let mut visits = Vec::new();
        for (method, path) in REQUESTS {
            let mut recorded = 0;
            for _ in 0..times {
                recorded += usize::from(self.is_recorded(method, path).await?);
            }
            let (request, next) = (format!("{method} {path}"), explain(method, path));
            visits.push(Visit { request, made: times, recorded, next });
        }
        Ok(visits)
    }

    /// Makes one request. The shop tells its decision to callers who ask for it.
    async fn is_recorded(&self, method: &str, path: &str) -> Result<bool, Box<dyn std::error::Error>> {
        let url = format!("http://{}{path}", self.shop);
        let request = self.client.request(method.parse()?, url).header("X-Amzn-Trace-Id", "Sampled=?");
        let response = request.send().await?;
        let decision = response.headers().get("X-Amzn-Trace-Id").and_then(|header| header.to_str().ok());
        Ok(decision.is_some_and(|header| header.contains("Sampled=1")))
    }
}

/// What the shop would decide, and why. Nothing is counted.
pub(crate) fn explain(method: &str, path: &str) -> Explanation {
    Recorder::global().explain(&SamplingRequest::new("shop").method(method).path(path))
}
