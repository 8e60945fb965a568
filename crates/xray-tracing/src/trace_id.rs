//! Trace ids on the lines of `tracing_subscriber::fmt`.

use std::fmt;

use tracing_core::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;
use xray_core::log_id;

/// Adds the ids of the current trace and entity to each line of an event format: for
/// [`map_event_format`](tracing_subscriber::fmt::Layer::map_event_format).
///
/// A line of JSON gets the member `xray_trace_id`, any other line begins with `AWS-XRAY-TRACE-ID: `. The value is
/// `1-5759e988-bd862e3fe1be46a994272793@53995c3f42cd8ad8`: trace and entity. Outside any trace lines stay as they are.
///
/// In CloudWatch Logs Insights, `filter xray_trace_id like "1-5759e988-bd862e3fe1be46a994272793"` finds the lines of a
/// trace, and X-Ray's console shows them with the trace if they are in the log group of its segment: see `AWS_LOG_GROUP`.
///
/// ```
/// use tracing_subscriber::fmt;
/// use tracing_subscriber::prelude::*;
///
/// let text = fmt::layer().map_event_format(xray_tracing::with_trace_id);
/// # let _ = tracing_subscriber::registry().with(text);
/// let json = fmt::layer().json().map_event_format(xray_tracing::with_trace_id);
/// # let _ = tracing_subscriber::registry().with(json);
/// ```
pub fn with_trace_id<F>(format: F) -> WithTraceId<F> {
    WithTraceId { format }
}

/// An event format that adds trace ids: see [`with_trace_id`].
#[derive(Clone, Copy, Debug, Default)]
pub struct WithTraceId<F> {
    format: F,
}

impl<S, N, F> FormatEvent<S, N> for WithTraceId<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let id = log_id();
        if id.is_empty() {
            return self.format.format_event(ctx, writer, event);
        }
        // JSON is never colored.
        if writer.has_ansi_escapes() {
            write!(writer, "AWS-XRAY-TRACE-ID: {id} ")?;
            return self.format.format_event(ctx, writer, event);
        }
        let mut line = String::new();
        self.format.format_event(ctx, Writer::new(&mut line), event)?;
        match line.strip_prefix('{') {
            Some(members) if members.starts_with('}') => write!(writer, "{{\"xray_trace_id\":\"{id}\"{members}"),
            Some(members) => write!(writer, "{{\"xray_trace_id\":\"{id}\",{members}"),
            None => write!(writer, "AWS-XRAY-TRACE-ID: {id} {line}"),
        }
    }
}
