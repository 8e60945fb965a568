//! The flags of an entity: error, fault, throttle.

/// A kind of failure. X-Ray colors entities by their flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flag {
    /// The caller caused the failure: HTTP 4xx.
    Error,
    /// This side failed: HTTP 5xx, an exception, a panic.
    Fault,
    /// The caller must slow down: HTTP 429.
    Throttle,
}
