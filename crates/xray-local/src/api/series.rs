//! `GetTimeSeriesServiceStatistics`: requests over time.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::graph::Tally;
use super::input::{SECOND, group, page, range, seconds, text};
use super::{ApiError, Arguments};
use crate::filter::{Filter, Selected, TraceView};
use crate::web::App;

/// Periods on one page.
const PAGE: usize = 1_000;

const DEFAULT_PERIOD: u64 = 60;

pub(super) fn statistics(app: &App, call: &Arguments) -> Result<Value, ApiError> {
    let range = range(call)?;
    let groups = app.store.groups();
    let group = group(call, groups)?;
    let period = match call.get("Period") {
        None | Some(Value::Null) => DEFAULT_PERIOD,
        Some(period) => period
            .as_u64()
            .filter(|period| (1..=86_400).contains(period))
            .ok_or_else(|| ApiError::invalid("`Period` is no number of seconds from 1 to 86400"))?,
    } * SECOND;
    let selector = match text(call, "EntitySelectorExpression")?.map(str::trim).filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => Some(selector(text)?),
    };
    // For each period, the services and the calls.
    let mut periods: BTreeMap<u64, (Option<Tally>, Option<Tally>)> = BTreeMap::new();
    for trace in app.store.summaries(0) {
        let view = TraceView::new(trace.id, &trace.summary, &app.store);
        let start = trace.summary.start;
        if !range.contains(&start) || group.as_ref().is_some_and(|group| !group.filter.matches(&view)) {
            continue;
        }
        let (summary, selected) = match &selector {
            Some(selector) => {
                let Some(selected) = selector.selected(&view) else { continue };
                (selector.subject(&view), selected)
            }
            None => {
                let roots = trace.summary.services.iter().enumerate().filter(|(_, passed)| passed.is_root());
                (&*trace.summary, roots.map(|(index, _)| (index, Selected::Edge)).collect())
            }
        };
        for (index, what) in selected {
            let passed = &summary.services[index];
            if passed.in_progress {
                continue;
            }
            let call = summary.call(index);
            let (services, edges) = periods.entry(start - start % period).or_default();
            match what {
                Selected::Service => services.get_or_insert_default().count(passed.flags, passed.duration),
                Selected::Edge => edges.get_or_insert_default().count(call.flags, call.duration),
            }
        }
    }
    let series: Vec<_> = periods.into_iter().collect();
    let (shown, next) = page(call, &series, PAGE)?;
    let shown: Vec<Value> = shown.iter().map(entry).collect();
    Ok(json!({ "TimeSeriesServiceStatistics": shown, "ContainsOldGroupVersions": false, "NextToken": next }))
}

/// Parses an expression of `service` and `edge`, or an id alone.
fn selector(text: &str) -> Result<Filter, ApiError> {
    let is_id = text.get(..2).is_some_and(|word| word.eq_ignore_ascii_case("id"));
    let text = if is_id { format!("service({text})") } else { text.to_owned() };
    let filter = Filter::parse(&text, &crate::filter::Groups::default())?;
    match filter.is_selector() {
        true => Ok(filter),
        false => Err(ApiError::invalid("`EntitySelectorExpression` must be `id(…)`, `service(…)` or `edge(…, …)`")),
    }
}

fn entry((start, (services, edges)): &(u64, (Option<Tally>, Option<Tally>))) -> Value {
    let mut entry = Map::from_iter([("Timestamp".to_owned(), json!(seconds(*start)))]);
    if let Some(tally) = services {
        entry.insert("ServiceSummaryStatistics".to_owned(), tally.statistics());
    }
    if let Some(tally) = edges {
        entry.insert("EdgeSummaryStatistics".to_owned(), tally.statistics());
    }
    let histogram = services.as_ref().or(edges.as_ref()).map_or_else(|| json!([]), Tally::histogram);
    entry.insert("ResponseTimeHistogram".to_owned(), histogram);
    Value::Object(entry)
}
