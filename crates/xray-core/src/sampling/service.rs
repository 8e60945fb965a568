//! The parts of central sampling that follow the X-Ray service: its rules, the quota of a rule, and what is
//! reported. [`Central`](super::Central) puts them together; each works alone, to try rules out or in a sampler of
//! one's own.

pub use super::quota::{Grant, Quota};
pub use super::service_rule::{AnswerError, ServiceRules};
pub use super::statistics::{Counts, Statistics};
