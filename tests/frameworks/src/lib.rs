//! Tests of frameworks that need no adapter, and the examples of `docs/frameworks.md`.

#[cfg(doctest)]
#[doc = include_str!("../../../docs/frameworks.md")]
struct Page;
