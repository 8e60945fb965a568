//! Conditions under which a request counts as an anomaly, for adaptive sampling.

use std::time::Duration;

use crate::sampling::{SamplingRequest, Wildcard};

/// A kind of request that counts as an anomaly. If a rule has many of them, the X-Ray service may
/// [boost](crate::sampling::Central::anomaly) its rate.
///
/// All conditions of one `Anomaly` must hold. If none is configured, the default applies: a response with a status of
/// 500 or above, a [fault](crate::grpc) of gRPC, or no response because of an error, a panic or a cancellation.
///
/// ```
/// use std::time::Duration;
/// use xray_core::sampling::{Anomaly, Central};
///
/// let sampler = Central::new()
///     .anomaly(Anomaly::status("5??"))
///     .anomaly(Anomaly::status("429").operation("POST /orders"))
///     .anomaly(Anomaly::slower_than(Duration::from_secs(2)).operation("GET /*"));
/// ```
#[derive(Clone, Debug)]
#[must_use = "a condition does nothing until a sampler has it"]
pub struct Anomaly {
    status: Option<Wildcard>,
    slower_than: Option<Duration>,
    /// Empty for all.
    operations: Vec<Wildcard>,
}

impl Anomaly {
    const ANY: Anomaly = Anomaly { status: None, slower_than: None, operations: Vec::new() };

    /// Requires a response whose status matches the pattern: `?` matches one digit, `*` any number of digits. A request
    /// that failed without a response, or by a [fault](crate::grpc) of gRPC, counts as status 500.
    pub fn status(pattern: &str) -> Anomaly {
        Anomaly { status: Some(Wildcard::new(pattern)), ..Anomaly::ANY }
    }

    /// Requires at least this duration.
    pub fn slower_than(bound: Duration) -> Anomaly {
        Anomaly { slower_than: Some(bound), ..Anomaly::ANY }
    }

    /// Also requires at least this duration. Calling this again replaces the value.
    pub fn and_slower_than(mut self, bound: Duration) -> Anomaly {
        self.slower_than = Some(bound);
        self
    }

    /// Restricts the condition to an operation: the method and the first segment of the path, such as `GET /orders`. A
    /// pattern may also consist of the path alone. Calling this again adds an operation.
    ///
    /// | request | its operation | patterns that match |
    /// |---|---|---|
    /// | `GET /orders/7/items?full=1` | `GET /orders` | `GET /orders`, `/orders`, `* /o*`, `*` |
    /// | `POST /` | `POST /` | `POST /`, `/`, `POST *` |
    pub fn operation(mut self, pattern: &str) -> Anomaly {
        self.operations.push(Wildcard::new(pattern));
        self
    }

    /// Whether a request is an anomaly by default, if the application has configured none.
    pub(super) fn by_default(status: Option<u16>, failed: bool) -> bool {
        status.map_or(failed, |status| status > 499)
    }

    /// Whether the request is of one of the operations. Called when the request begins.
    pub(super) fn applies_to(&self, request: &SamplingRequest<'_>) -> bool {
        if self.operations.is_empty() {
            return true;
        }
        let path = request.without_query().path.unwrap_or_default();
        let end = path.bytes().skip(1).position(|byte| byte == b'/').map_or(path.len(), |at| at + 1);
        let path = &path[..end];
        let operation = format!("{} {path}", request.method.unwrap_or_default());
        self.operations.iter().any(|pattern| pattern.matches(&operation) || pattern.matches(path))
    }

    /// Whether the end of a request meets the conditions: its status, or a failure without one, and its duration.
    pub(super) fn is_met(&self, status: Option<u16>, failed: bool, took: Duration) -> bool {
        let status = status.or(failed.then_some(500));
        let is_status = |pattern: &Wildcard| status.is_some_and(|status| pattern.matches(&status.to_string()));
        self.status.as_ref().is_none_or(is_status) && self.slower_than.is_none_or(|bound| took >= bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_the_method_and_the_first_segment_of_the_path() {
        for (pattern, method, path, applies) in [
            ("GET /api", "GET", "/api/orders/7?x=1", true),
            ("GET /api", "GET", "/api", true),
            ("GET /api", "POST", "/api", false),
            ("/api", "POST", "/api/x", true),
            ("* /a*", "POST", "/apple", true),
            ("/", "GET", "/", true),
            ("GET /", "GET", "", false),
            ("/api", "GET", "*", false),
        ] {
            let request = SamplingRequest::new("shop").method(method).path(path);
            let anomaly = Anomaly::status("*").operation("never").operation(pattern);
            assert_eq!(anomaly.applies_to(&request), applies, "{pattern}: {method} {path}");
        }
        assert!(Anomaly::status("*").applies_to(&SamplingRequest::new("shop")));
    }

    #[test]
    fn all_conditions_of_an_anomaly_must_hold() {
        let slow = Duration::from_secs(1);
        for (anomaly, status, failed, took, met) in [
            (Anomaly::status("5??"), Some(503), false, slow, true),
            (Anomaly::status("5??"), Some(404), false, slow, false),
            (Anomaly::status("5??"), None, true, slow, true),
            (Anomaly::status("5??"), None, false, slow, false),
            (Anomaly::slower_than(slow), Some(200), false, slow, true),
            (Anomaly::slower_than(slow), Some(500), true, slow / 2, false),
            (Anomaly::status("4*").and_slower_than(slow), Some(404), false, slow, true),
            (Anomaly::status("4*").and_slower_than(slow), Some(404), false, slow / 2, false),
        ] {
            assert_eq!(anomaly.is_met(status, failed, took), met, "{anomaly:?} {status:?} {failed} {took:?}");
        }
    }
}
