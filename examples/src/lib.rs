//! Programs to run: `cargo run --example shop`, `cargo run --example sampling`.
