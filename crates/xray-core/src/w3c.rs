//! The W3C headers `traceparent` and `tracestate`, which join traces with services that use OpenTelemetry.

use std::fmt;

use crate::id::{EntityId, TraceId};

/// The name of the W3C header with the same content as `X-Amzn-Trace-Id`.
pub const TRACEPARENT: &str = "traceparent";
/// The name of the W3C header with data of other vendors, which is propagated unchanged.
pub const TRACESTATE: &str = "tracestate";

/// The `traceparent` header: the trace, the calling entity and the decision. It formats as the header's value.
///
/// Both headers have the same 128-bit and 64-bit ids, so converting between them loses nothing. Adapters read and send
/// `traceparent` as [`Propagation`] configures it.
///
/// ```
/// use xray_core::TraceParent;
///
/// let parent = TraceParent::parse("00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01").unwrap();
/// assert_eq!(parent.trace_id().to_string(), "1-5759e988-bd862e3fe1be46a994272793");
/// assert!(parent.is_sampled());
/// assert_eq!(parent.to_string(), "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    trace_id: TraceId,
    parent: EntityId,
    sampled: bool,
}

impl TraceParent {
    /// Creates the header of a call made by `parent`.
    ///
    /// ```
    /// use xray_core::TraceParent;
    ///
    /// # fn main() -> Result<(), xray_core::ParseIdError> {
    /// let trace_id = "1-5759e988-bd862e3fe1be46a994272793".parse()?;
    /// let header = TraceParent::new(trace_id, "53995c3f42cd8ad8".parse()?, true);
    /// assert_eq!(header.to_string(), "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01");
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(trace_id: TraceId, parent: EntityId, sampled: bool) -> TraceParent {
        TraceParent { trace_id, parent, sampled }
    }

    /// Parses a header's value: `<version>-<32 hex>-<16 hex>-<2 hex>`, all in lower case. Versions after `00` may have more
    /// fields, which are ignored. Returns `None` for a value that the W3C recommendation calls invalid.
    pub fn parse(text: &str) -> Option<TraceParent> {
        let mut fields = text.trim_matches([' ', '\t']).split('-');
        let (version, trace_id, parent) = (fields.next()?, fields.next()?, fields.next()?);
        let (flags, more) = (fields.next()?, fields.next());
        let lengths = [version.len(), trace_id.len(), parent.len(), flags.len()];
        let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let valid = lengths == [2, 32, 16, 2] && [version, trace_id, parent, flags].into_iter().all(is_hex);
        if !valid || version == "ff" || (version == "00" && more.is_some()) {
            return None;
        }
        let bits = u128::from_str_radix(trace_id, 16).ok().filter(|bits| *bits != 0)?;
        Some(TraceParent {
            trace_id: TraceId::from_u128(bits),
            parent: parent.parse().ok()?,
            sampled: u8::from_str_radix(flags, 16).ok()? & 1 == 1,
        })
    }

    /// Returns the trace.
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// Returns the entity that makes the call.
    pub fn parent(&self) -> EntityId {
        self.parent
    }

    /// Whether the caller records the trace.
    pub fn is_sampled(&self) -> bool {
        self.sampled
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{}-{:02x}", self.trace_id.to_u128(), self.parent, u8::from(self.sampled))
    }
}

/// The choice of headers that join services: `X-Amzn-Trace-Id`, the W3C headers, or both. Set it by
/// [`RecorderBuilder::propagation`](crate::RecorderBuilder::propagation).
///
/// By default both are read and X-Ray's takes precedence. Calls carry X-Ray's header, and the W3C headers as well if the
/// trace was received by `traceparent`. No environment variable changes this.
///
/// | services | setting |
/// |---|---|
/// | all use X-Ray | the default |
/// | callers use OpenTelemetry, behind a load balancer of AWS | [`prefer_w3c(true)`](Propagation::prefer_w3c) |
/// | called services use OpenTelemetry | [`send_w3c(true)`](Propagation::send_w3c) |
/// | called services must not receive X-Ray's header | [`send_xray(false)`](Propagation::send_xray) |
///
/// ```
/// use xray_core::{Propagation, Recorder};
///
/// let recorder = Recorder::builder().propagation(Propagation::default().prefer_w3c(true).send_w3c(true)).build()?;
/// # Ok::<(), xray_core::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Propagation {
    prefer_w3c: bool,
    send_w3c: Option<bool>,
    omit_xray: bool,
}

impl Propagation {
    /// Whether `traceparent` takes precedence if a request has both headers (default: no). Load balancers of AWS add an
    /// `X-Amzn-Trace-Id` of their own to requests with a `traceparent`, so turn this on if callers use OpenTelemetry.
    /// Calling this again replaces the value.
    #[must_use]
    pub fn prefer_w3c(mut self, prefer: bool) -> Propagation {
        self.prefer_w3c = prefer;
        self
    }

    /// Whether calls carry `traceparent` and `tracestate` (default: if the trace was received with them). Calling this
    /// again replaces the value.
    #[must_use]
    pub fn send_w3c(mut self, send: bool) -> Propagation {
        self.send_w3c = Some(send);
        self
    }

    /// Whether calls carry `X-Amzn-Trace-Id` (default: yes). Calls of the AWS SDK always do, because AWS supports no other
    /// header. Calling this again replaces the value.
    #[must_use]
    pub fn send_xray(mut self, send: bool) -> Propagation {
        self.omit_xray = !send;
        self
    }

    pub(crate) fn prefers_w3c(self) -> bool {
        self.prefer_w3c
    }

    pub(crate) fn sends_w3c(self, received: bool) -> bool {
        self.send_w3c.unwrap_or(received)
    }

    pub(crate) fn sends_xray(self) -> bool {
        !self.omit_xray
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_that_the_recommendation_calls_invalid_are_ignored() {
        let (trace, parent) = ("5759e988bd862e3fe1be46a994272793", "53995c3f42cd8ad8");
        for (text, valid) in [
            (format!("00-{trace}-{parent}-01"), true),
            (format!(" 00-{trace}-{parent}-00 "), true),
            (format!("cc-{trace}-{parent}-01-what-the-future-brings"), true),
            (format!("00-{trace}-{parent}-01-more"), false),
            (format!("ff-{trace}-{parent}-01"), false),
            (format!("00-{}-{parent}-01", "0".repeat(32)), false),
            (format!("00-{trace}-0000000000000000-01"), false),
            (format!("00-{}-{parent}-01", trace.to_uppercase()), false),
            (format!("00-{trace}-{parent}"), false),
            (format!("00-{trace}-{parent}-1"), false),
            (format!("0-{trace}-{parent}-01"), false),
            (String::new(), false),
            ("garbage".to_owned(), false),
        ] {
            assert_eq!(TraceParent::parse(&text).is_some(), valid, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn ids_convert_both_ways_without_loss(trace in 1u128.., parent in 1u64.., sampled: bool) {
            let header = TraceParent::new(TraceId::from_u128(trace), EntityId::from_u64(parent).unwrap(), sampled);
            prop_assert_eq!(TraceParent::parse(&header.to_string()), Some(header));
            let id = header.trace_id().to_string();
            prop_assert_eq!(id.parse::<TraceId>().unwrap().to_u128(), trace);
        }

        #[test]
        fn parsing_never_fails(text: String) {
            let _ = TraceParent::parse(&text);
        }
    }
}
