//! The differences between a recording and a correct SDK, with the codes used in the goldens.

use std::fmt;

/// Why a difference from a recording is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Difference {
    /// `service` and `aws.xray` describe another SDK.
    Sdk,
    /// Stack frames, working directory, exception types, and messages that the scenario does not specify.
    Frames,
    /// The query string of an incoming URL is left out.
    InUrl,
    /// The content length of an incoming response is present.
    InLen,
    /// The port of an outgoing URL is present.
    OutPort,
    /// A cause refers to an exception by its id, not to a subsegment.
    CauseRef,
    /// The number of retries is the number of attempts minus one.
    Retries,
    /// A 4xx response of AWS is not a fault.
    Aws4xx,
    /// A muted child is not written.
    Muted,
    /// An absent string is left out instead of empty.
    Empty,
    /// Private fields are not written.
    Leaked,
    /// An embedded subsegment has no `type`, `trace_id` or `parent_id`.
    Embedded,
    /// Siblings are in the order in which they began.
    Order,
    /// The name of the sampling rule has a different key.
    RuleName,
    /// The tree was split into documents at different places.
    Stream,
    /// A closed segment does not wait for its open children.
    Hold,
}

impl Difference {
    /// Returns the code that goldens use in `differences`.
    pub fn code(self) -> &'static str {
        match self {
            Difference::Sdk => "sdk",
            Difference::Frames => "frames",
            Difference::InUrl => "in_url",
            Difference::InLen => "in_len",
            Difference::OutPort => "out_port",
            Difference::CauseRef => "cause_ref",
            Difference::Retries => "retries",
            Difference::Aws4xx => "aws4xx",
            Difference::Muted => "muted",
            Difference::Empty => "empty",
            Difference::Leaked => "leaked",
            Difference::Embedded => "embedded",
            Difference::Order => "order",
            Difference::RuleName => "rule_name",
            Difference::Stream => "stream",
            Difference::Hold => "hold",
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
