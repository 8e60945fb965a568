//! A client of the shop that counts how many of its requests are recorded.

use std::net::SocketAddr;

use xray_core::Recorder;
use xray_core::sampling::{Explanation, SamplingRequest};

const REQUESTS: [(&str, &str); 3] = [("GET", "/health"), ("POST", "/checkout"), ("GET", "/orders/7")];

pub(crate) struct Visitor {
    client: reqwest::Client,
    shop: SocketAddr,
}

/// The result of several equal requests.
pub(crate) struct Visit {
    pub(crate) request: String,
    pub(crate) made: usize,
    pub(crate) recorded: usize,
    /// The decision for one more request.
    pub(crate) next: Explanation,
}

impl Visitor {
    pub(crate) fn new(shop: SocketAddr) -> Visitor {
        Visitor { client: reqwest::Client::new(), shop }
    }

    /// Sends each request this many times, in quick succession.
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

    /// Sends one request and returns whether it is recorded. `Sampled=?` makes the shop return its decision in a
    /// header.
    async fn is_recorded(&self, method: &str, path: &str) -> Result<bool, Box<dyn std::error::Error>> {
        let url = format!("http://{}{path}", self.shop);
        let request = self.client.request(method.parse()?, url).header("X-Amzn-Trace-Id", "Sampled=?");
        let response = request.send().await?;
        let decision = response.headers().get("X-Amzn-Trace-Id").and_then(|header| header.to_str().ok());
        Ok(decision.is_some_and(|header| header.contains("Sampled=1")))
    }
}

/// Returns the decision of the shop for a request, with the reason. This changes no counts.
pub(crate) fn explain(method: &str, path: &str) -> Explanation {
    Recorder::global().explain(&SamplingRequest::new("shop").method(method).path(path))
}
