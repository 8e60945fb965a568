//! A value that is neither an error nor text.

struct OrderId(u64);

fn main() {
    let (recorder, _traces) = xray_core::Recorder::in_memory();
    recorder.begin("shop").fault(OrderId(7));
}
