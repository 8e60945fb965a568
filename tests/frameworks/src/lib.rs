//! Tests of frameworks that need no adapter: see `docs/frameworks.md`.
