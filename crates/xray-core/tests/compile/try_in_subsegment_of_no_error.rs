//! A future with an `Err` that is neither an error nor text.

use xray_core::FutureExt;

fn main() {
    let _ = async { Err::<(), u8>(7) }.try_in_subsegment("load");
}
