//! Programs to run: `cargo run --example shop`, and in its place `sampling`, `lambda` or `aws`.
