//! Nothing but tests: see `tests/sdk.rs`.
