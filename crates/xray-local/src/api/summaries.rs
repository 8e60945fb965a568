//! `GetTraceSummaries`: finds traces.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::{Map, Value, json};

use super::input::{SECOND, range, seconds, text};
use super::{ApiError, Arguments};
use crate::TraceId;
use crate::filter::{Filter, TraceView, select};
use crate::store::{Store, Summarized};
use crate::trace::{
    AnnotationValue, Cause, Detailed, Flags, LabelKind, Service, Summary, causes, hash, response_time_cause,
};
use crate::web::App;

/// Summaries on one page.
const PAGE: usize = 500;

pub(super) fn trace_summaries(app: &App, call: &Arguments) -> Result<Value, ApiError> {
    let range = range(call)?;
    let by = TimeRangeType::parse(text(call, "TimeRangeType")?)?;
    let filter = Filter::parse(text(call, "FilterExpression")?.unwrap_or_default(), app.store.groups())?;
    let share = share(call)?;
    let after = match text(call, "NextToken")?.filter(|token| !token.is_empty()) {
        None => None,
        Some(token) => Some(
            parse_token(token)
                .ok_or_else(|| ApiError::invalid("`NextToken` is invalid: use the token of another page"))?,
        ),
    };
    let mut found = app.store.summaries(0);
    select(&mut found, |trace| by.contains(&app.store, trace, &range));
    let processed = found.len();
    select(&mut found, |trace| {
        is_chosen(trace.id, share) && filter.matches(&TraceView::new(trace.id, &trace.summary, &app.store))
    });
    found.sort_by_key(|trace| Reverse((trace.summary.start, trace.id)));
    let first = after.map_or(0, |after| found.partition_point(|trace| (trace.summary.start, trace.id) >= after));
    let page = &found[first..found.len().min(first + PAGE)];
    let next = page.last().filter(|_| first + page.len() < found.len());
    let matched = (by == TimeRangeType::Event).then_some(range.start);
    let summaries: Vec<Value> =
        page.iter().filter_map(|trace| Some(summary(trace.id, &app.store.detailed(trace.id)?, matched))).collect();
    Ok(json!({
        "TraceSummaries": summaries,
        "ApproximateTime": seconds(page.last().map_or(range.start, |last| last.summary.start)),
        "TracesProcessedCount": processed,
        "NextToken": next.map(|last| format!("{}:{}", last.summary.start, last.id)),
    }))
}

fn parse_token(token: &str) -> Option<(u64, TraceId)> {
    let (start, id) = token.split_once(':')?;
    Some((start.parse().ok()?, id.parse().ok()?))
}

/// Which time of a trace must be in the range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TimeRangeType {
    /// The time in its id.
    TraceId,
    /// Any time between its first start and its last end.
    Event,
    /// The end of a segment.
    Service,
}

/// How far the time in an id may be from the first start.
const MAX_ID_OFFSET: u64 = 86_400 * SECOND;

impl TimeRangeType {
    fn parse(text: Option<&str>) -> Result<TimeRangeType, ApiError> {
        match text {
            None | Some("TraceId") => Ok(TimeRangeType::TraceId),
            Some("Event") => Ok(TimeRangeType::Event),
            Some("Service") => Ok(TimeRangeType::Service),
            Some(_) => Err(ApiError::invalid("`TimeRangeType` is none of TraceId, Event and Service")),
        }
    }

    fn contains(self, store: &Store, trace: &Summarized, range: &Range<u64>) -> bool {
        let (start, end) = (trace.summary.start, trace.summary.start.saturating_add(trace.summary.duration));
        if self == TimeRangeType::TraceId {
            let stated = trace.id.seconds() * SECOND;
            // The ids of W3C's trace context are random: a time that cannot be right is none.
            let time = if stated.abs_diff(start) > MAX_ID_OFFSET { start } else { stated };
            // The start of a range may have a fraction, but the time in an id is cut to a second.
            return range.contains(&time) || range.contains(&start) && time == start - start % SECOND;
        }
        let overlaps = start < range.end && end >= range.start;
        if self == TimeRangeType::Event || !overlaps {
            return overlaps;
        }
        let ends_in_range = |trace: crate::Trace| {
            trace.nodes().filter(|node| node.is_segment()).any(|node| {
                node.end().is_some_and(|end| range.contains(&u64::try_from(end.as_micros()).unwrap_or(u64::MAX)))
            })
        };
        store.get(trace.id).is_some_and(ends_in_range)
    }
}

/// Returns the share of the traces that `Sampling` asks for.
fn share(call: &Arguments) -> Result<f64, ApiError> {
    if call.get("Sampling").and_then(Value::as_bool) != Some(true) {
        return Ok(1.0);
    }
    let Some(strategy) = call.get("SamplingStrategy").filter(|strategy| !strategy.is_null()) else { return Ok(1.0) };
    match strategy["Name"].as_str() {
        // The service looks at a part of the traces to be faster. All of them are fast enough.
        None | Some("PartialScan") => Ok(1.0),
        Some("FixedRate") => {
            let share = strategy["Value"].as_f64().filter(|share| (0.0..=1.0).contains(share));
            share.ok_or_else(|| ApiError::invalid("`SamplingStrategy.Value` is no number from 0 to 1"))
        }
        Some(_) => Err(ApiError::invalid("`SamplingStrategy.Name` is neither PartialScan nor FixedRate")),
    }
}

/// Whether a trace belongs to a share, the same at each call.
fn is_chosen(id: TraceId, share: f64) -> bool {
    share >= 1.0 || (hash(&id) as f64) < share * u64::MAX as f64
}

fn summary(id: TraceId, detailed: &Detailed, matched: Option<u64>) -> Value {
    let Detailed { trace, summary, .. } = detailed;
    let root = trace.nodes().next();
    let http = root.and_then(|root| root.entity().http());
    let mut request = Map::new();
    if let Some(http) = http {
        let texts = [
            ("HttpURL", &http.url),
            ("HttpMethod", &http.method),
            ("UserAgent", &http.user_agent),
            ("ClientIp", &http.client_ip),
        ];
        let texts = texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), json!(text.as_ref()?))));
        request.extend(texts.chain(http.status.map(|status| ("HttpStatus".to_owned(), json!(status)))));
    }
    let of = |service: u16| summary.services.get(usize::from(service)).map(|passed| &*passed.service);
    let labels = |kind: LabelKind| {
        let mut values: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for label in summary.labels.iter().filter(|label| label.kind == kind) {
            values.entry(&label.text).or_default().extend(of(label.service).map(Service::json));
        }
        values
    };
    let names = |kind: LabelKind, member: &str| -> Vec<Value> {
        labels(kind).into_keys().map(|text| json!({ member: text })).collect()
    };
    let users = labels(LabelKind::User).into_iter();
    let users: Vec<_> = users.map(|(name, services)| json!({ "UserName": name, "ServiceIds": services })).collect();
    let mut nodes: Vec<Value> = Vec::new();
    for passed in &summary.services {
        if passed.is_root() {
            let client = passed.service.client();
            nodes.push(client.json());
        }
        nodes.push(passed.service.json());
    }
    let mut seen = std::collections::HashSet::new();
    nodes.retain(|node| seen.insert(node.to_string()));
    let mut value = json!({
        "Id": id.to_string(),
        "StartTime": seconds(summary.start),
        "Duration": seconds(summary.duration),
        "ResponseTime": seconds(summary.response_time),
        "HasFault": summary.root.fault(),
        "HasError": summary.root.error(),
        "HasThrottle": summary.services.iter().any(|passed| passed.flags.throttle()),
        "IsPartial": summary.in_progress,
        "Http": request,
        "Annotations": annotations(summary, of),
        "Users": users,
        "ServiceIds": nodes,
        "ResourceARNs": names(LabelKind::ResourceArn, "ARN"),
        "InstanceIds": names(LabelKind::InstanceId, "Id"),
        "AvailabilityZones": names(LabelKind::AvailabilityZone, "Name"),
        "FaultRootCauses": causes(trace, Flags::fault).iter().map(Cause::json).collect::<Vec<_>>(),
        "ErrorRootCauses": causes(trace, Flags::error).iter().map(Cause::json).collect::<Vec<_>>(),
        "ResponseTimeRootCauses": response_time_cause(trace).iter().map(Cause::json).collect::<Vec<_>>(),
        "Revision": summary.revision,
    });
    if let Some(entry) = summary.services.iter().find(|passed| passed.is_root()) {
        value["EntryPoint"] = entry.service.json();
    }
    if let Some(start) = matched {
        value["MatchedEventTime"] = json!(seconds(summary.start.max(start)));
    }
    value
}

fn annotations<'a>(summary: &'a Summary, of: impl Fn(u16) -> Option<&'a Service>) -> Map<String, Value> {
    let mut keys: BTreeMap<&str, Vec<(Value, Vec<Value>)>> = BTreeMap::new();
    for annotation in &summary.annotations {
        let value = match summary.value(annotation) {
            AnnotationValue::Text(text) => json!({ "StringValue": text }),
            AnnotationValue::Number(number) => json!({ "NumberValue": number }),
            AnnotationValue::Bool(value) => json!({ "BooleanValue": value }),
        };
        let values = keys.entry(&annotation.key).or_default();
        let index = values.iter().position(|(known, _)| *known == value).unwrap_or_else(|| {
            values.push((value, Vec::new()));
            values.len() - 1
        });
        let services = &mut values[index].1;
        services.extend(of(annotation.service).map(Service::json).filter(|service| !services.contains(service)));
    }
    let value = |(value, services)| json!({ "AnnotationValue": value, "ServiceIds": services });
    keys.into_iter().map(|(key, values)| (key.to_owned(), values.into_iter().map(value).collect())).collect()
}
