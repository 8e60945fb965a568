//! Programs to run: `cargo run --example shop`.
