//! Segments and subsegments: handles that are always safe to use.
//!
//! What is not sampled, disabled or closed takes every call and does nothing.

mod body;
mod either;
mod facade;
mod failure;
mod handle;
mod node;
mod non_recording;
mod segment;
mod subsegment;
mod trim;
mod undecided;
mod value;

pub use body::Namespace;
pub use either::Entity;
pub use facade::Facade;
pub(crate) use handle::{Handle, Share};
pub(crate) use node::{Kind, Node, SegmentStart};
pub(crate) use non_recording::NonRecording;
pub use segment::Segment;
pub use subsegment::Subsegment;
pub use value::AnnotationValue;
