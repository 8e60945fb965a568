//! The differences between a recording and a correct SDK, by the codes of the goldens.

use std::fmt;

/// Why a difference from a recording is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Difference {
    /// `service` and `aws.xray` describe another SDK.
    Sdk,
    /// Stack frames, working directory, exception types, and messages that the scenario did not give.
    Frames,
    /// The query string of an incoming url is left out.
    InUrl,
    /// The content length of an incoming response is there.
    InLen,
    /// The port of an outgoing url is there.
    OutPort,
    /// A cause refers to an exception by its id, not to a subsegment.
    CauseRef,
    /// Retries are attempts less one.
    Retries,
    /// A 4xx answer of AWS is no fault.
    Aws4xx,
    /// A muted child is not written.
    Muted,
    /// An absent text is left out rather than empty.
    Empty,
    /// Private fields are not written.
    Leaked,
    /// An embedded copy has no `type`, `trace_id`, `parent_id`.
    Embedded,
    /// Siblings stand in the order in which they began.
    Order,
    /// The sampling rule's name has another key.
    RuleName,
    /// The tree was cut into documents elsewhere.
    Stream,
    /// A closed segment does not wait for its open children.
    Hold,
}

impl Difference {
    /// The code, as goldens have it in `differences` where they name it.
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
