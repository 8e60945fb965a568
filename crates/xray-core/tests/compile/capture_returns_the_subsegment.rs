//! A closure whose value borrows the subsegment, which ends with it. A semicolon mends it.

fn main() {
    xray_core::capture("load", |subsegment| subsegment.annotate("rows", 7));
}
