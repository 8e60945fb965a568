//! Compares a recorded `X-Amzn-Trace-Id` with ours: the fields are the same, but the ids are ours.

use serde_json::Value;
use xray_core::{SamplingFlag, TraceHeader};

use crate::forest::Forest;

/// Returns the problem with a header that we sent, if any. Both headers may be absent.
///
/// `given` is the text of the scenario: a trace id that it contains must be the same. Any other trace id must belong to
/// a trace that we sent. The parent of a sampled call must be the subsegment of the call.
pub(super) fn problem(want: &Value, got: Option<&str>, given: &str, ours: &Forest) -> Option<String> {
    let (want, got) = match (want.as_str(), got) {
        (None, None) => return None,
        (Some(want), Some(got)) => (TraceHeader::parse(want), TraceHeader::parse(got)),
        (want, got) => return Some(format!("x-amzn-trace-id: wanted {want:?}, got {got:?}")),
    };
    let is_given = want.root().is_some_and(|root| given.contains(root));
    let entities = || ours.walk().into_iter().map(|(_, entity)| entity);
    let sent = |id: Option<String>, of: fn(&crate::forest::Entity) -> &str| {
        id.is_some_and(|id| entities().any(|entity| of(entity) == id))
    };
    let trace = match is_given {
        true => want.trace_id() == got.trace_id(),
        false => sent(got.trace_id().map(|id| id.to_string()), |entity| entity.trace_id()),
    };
    let is_call = got.sampled() == Some(SamplingFlag::Sampled);
    let parent = match (want.parent(), got.parent()) {
        (None, None) => true,
        (Some(_), Some(id)) => !is_call || sent(Some(id.to_string()), |entity| entity.id()),
        _ => false,
    };
    let same = trace && parent && want.sampled() == got.sampled() && want.fields().eq(got.fields());
    (!same).then(|| format!("x-amzn-trace-id: wanted {want}, got {got}"))
}
