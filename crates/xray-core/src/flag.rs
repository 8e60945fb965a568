//! The flags of an entity.

/// A problem that the response shows as a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flag {
    /// The caller's fault: HTTP 4xx.
    Error,
    /// This side's fault: HTTP 5xx, an exception, a panic.
    Fault,
    /// The caller must slow down: HTTP 429.
    Throttle,
}
