//! Entities and spans in one trace.

// The permission in clippy.toml does not cover functions that tests share.
#![allow(clippy::unwrap_used)]

mod below_entities;
mod below_spans;
mod layers;
mod otlp;
mod service;
mod support;
