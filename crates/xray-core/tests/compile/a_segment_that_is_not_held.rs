#![deny(unused_must_use)]

use xray_core::{Recorder, TraceHeader, subsegment};

fn main() {
    let (recorder, _traces) = Recorder::in_memory();
    recorder.begin("shop");
    recorder.begin_from("shop", &TraceHeader::default());
    let segment = recorder.begin("shop");
    segment.subsegment("step");
    subsegment("step");
    segment.enter();
    segment.scope(async {});
}
