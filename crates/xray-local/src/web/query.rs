//! The parameters of lists: filter, time range, order, page.

use std::collections::HashMap;

use crate::filter::{Filter, FilterError, Groups};
use crate::store::epoch_millis;
use crate::time;

/// The parameters that several requests share. Unknown ones are ignored.
pub(crate) struct Query {
    pub(crate) filter: Filter,
    /// The first starts to include, in microseconds since the epoch.
    pub(crate) range: std::ops::Range<u64>,
}

/// Why a request's parameters cannot be used.
pub(crate) enum Invalid {
    Filter(FilterError),
    /// The name of a parameter, and what it should be.
    Parameter(&'static str, &'static str),
}

impl Query {
    /// Reads `filter` and `timeRange`. A time range is a duration before now such as `PT15M`, or `START~END` in ISO 8601;
    /// without one, everything is included.
    pub(crate) fn parse(groups: &Groups, parameters: &HashMap<String, String>) -> Result<Query, Invalid> {
        let get = |name: &str| parameters.get(name).map(String::as_str).filter(|text| !text.is_empty());
        let filter = Filter::parse(get("filter").unwrap_or_default(), groups).map_err(Invalid::Filter)?;
        let expected = "a duration such as PT15M, or START~END in ISO 8601";
        let range = match get("timeRange") {
            None => 0..u64::MAX,
            Some(text) => time::range(text, epoch_millis().saturating_mul(1_000))
                .ok_or(Invalid::Parameter("timeRange", expected))?,
        };
        Ok(Query { filter, range })
    }
}
