//! The flags that a status puts on a segment or subsegment.

use serde_json::{Value, json};
use xray_core::Flag;
use xray_core::http::flags_of_status;

use crate::vectors::Verdict;

pub(super) fn check(case: &Value) -> Verdict {
    let status = case["status"].as_u64().and_then(|status| u16::try_from(status).ok()).expect("`status` is a status");
    let has = |flag| flags_of_status(status).contains(&flag);
    let got = json!({"error": has(Flag::Error), "fault": has(Flag::Fault), "throttle": has(Flag::Throttle)});
    Verdict::new(got, case["expected"].clone())
}
