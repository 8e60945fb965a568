//! Segments and subsegments: handles that are always safe to use.
//!
//! If the trace is not sampled, the SDK is disabled or the entity is closed, every call is accepted and does nothing.
//!
//! The public handles ([`Segment`], [`Subsegment`], [`Entity`], [`Facade`]) wrap a [`Handle`]: a recorded [`Node`], a
//! [`NonRecording`] entity that only propagates the trace, or no trace at all. `methods.rs` defines what all of them
//! can do, `owner.rs` which of them keep an entity open. A node collects members in a body and writes it to the trace's
//! ledger when it closes.

mod body;
mod either;
mod facade;
mod failure;
mod handle;
mod lazy_body;
mod methods;
mod node;
mod non_recording;
mod owner;
mod segment;
mod subsegment;
mod trim;
mod undecided;
mod value;

pub use body::Namespace;
pub use either::Entity;
pub use facade::Facade;
pub(crate) use handle::Handle;
pub(crate) use node::{Kind, Node, SegmentStart};
pub(crate) use non_recording::{NonRecording, Serves};
pub(crate) use owner::Share;
pub use segment::Segment;
pub use subsegment::Subsegment;
pub use value::AnnotationValue;
