//! An `Err` that is neither an error nor text.

fn main() {
    let _ = xray_core::try_capture("load", |_| Err::<(), u8>(7));
}
