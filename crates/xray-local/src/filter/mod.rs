//! Filter expressions: which traces a list shows.
//!
//! An expression is parsed into a tree of terms (`parse.rs`, `syntax.rs`), which is then tested on one trace after the
//! other (`test.rs`). Almost all expressions need nothing but the summary of a trace; for others, the trace is read unless its
//! summary excludes it (`certain.rs`). There are no indexes: testing a summary takes less than 100 ns.

mod certain;
mod groups;
mod parse;
mod scan;
mod select;
mod syntax;
mod test;

use std::cell::OnceCell;
use std::error::Error;
use std::fmt;

use certain::certain;
pub(crate) use groups::{Group, Groups};
use parse::{Parsed, parse};
pub(crate) use select::select;
use syntax::{Expression, Operator, Text};

use crate::id::TraceId;
use crate::store::Store;
use crate::trace::{Detailed, Summary};

/// A parsed filter expression.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    expression: Expression,
    /// Whether it tests members that summaries do not contain.
    beyond_summary: bool,
    /// Whether it tests lists that a summary may have cut.
    lists: bool,
}

/// The error when a filter expression cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FilterError {
    /// What is wrong, and what to write instead.
    pub message: String,
    /// The position in the expression, in bytes.
    pub at: usize,
}

/// A trace as a filter sees it: its summary, and the trace itself if that is not enough.
pub(crate) struct TraceView<'a> {
    id: TraceId,
    summary: &'a Summary,
    store: &'a Store,
    detailed: OnceCell<Option<Detailed>>,
}

impl<'a> TraceView<'a> {
    pub(crate) fn new(id: TraceId, summary: &'a Summary, store: &'a Store) -> TraceView<'a> {
        TraceView { id, summary, store, detailed: OnceCell::new() }
    }

    pub(crate) fn summary(&self) -> &'a Summary {
        self.summary
    }

    /// Returns the whole trace if its summary is cut, and otherwise `None`.
    pub(crate) fn whole(&self) -> Option<&Detailed> {
        if self.summary.is_cut() { self.detailed() } else { None }
    }

    /// Returns the whole trace: reads its documents at the first call, which costs about 10 µs each. Returns `None` if
    /// the trace was evicted meanwhile.
    fn detailed(&self) -> Option<&Detailed> {
        self.detailed.get_or_init(|| self.store.detailed(self.id)).as_ref()
    }
}

impl Filter {
    /// Parses a filter expression. The empty expression matches everything. `group.name` and `group.arn` refer to the
    /// given groups.
    pub(crate) fn parse(text: &str, groups: &Groups) -> Result<Filter, FilterError> {
        let Parsed { expression, groups: places } = parse(text)?;
        let mut filter = Filter { expression, beyond_summary: false, lists: false };
        let mut expression = std::mem::replace(&mut filter.expression, Expression::Everything);
        filter.prepare(&mut expression, Place::Trace, groups, &mut places.into_iter())?;
        filter.expression = expression;
        Ok(filter)
    }

    /// Returns the filter of the empty expression.
    pub(crate) fn everything() -> Filter {
        Filter { expression: Expression::Everything, beyond_summary: false, lists: false }
    }

    /// Whether a trace matches.
    pub(crate) fn matches(&self, view: &TraceView<'_>) -> bool {
        if !self.needs(view) {
            return test::matches(&self.expression, view.summary, None);
        }
        certain(&self.expression, view.summary).unwrap_or_else(|| {
            // An evicted trace is not in the list any more.
            let detailed = view.detailed();
            detailed.is_some_and(|detailed| test::matches(&self.expression, &detailed.summary, Some(detailed)))
        })
    }

    /// Returns the summary of a trace that [`selected`](Filter::selected) has indices of.
    pub(crate) fn subject<'v>(&self, view: &'v TraceView<'_>) -> &'v Summary {
        let detailed = if self.needs(view) { view.detailed() } else { None };
        detailed.map_or(view.summary, |detailed| &detailed.summary)
    }

    /// Returns what an expression of one `service` or `edge`, or several with OR, selects of a trace: indices of
    /// the services of its [`subject`](Filter::subject), and for each whether the service or the call to it. Returns `None`
    /// for an evicted trace.
    pub(crate) fn selected(&self, view: &TraceView<'_>) -> Option<Vec<(usize, Selected)>> {
        let detailed = if self.needs(view) { Some(view.detailed()?) } else { None };
        let summary = self.subject(view);
        let nodes = 0..summary.services.len();
        let selected = |node| Some((node, test::selects(&self.expression, summary, detailed, node)?));
        Some(nodes.filter_map(selected).collect())
    }

    /// Whether the expression consists of what [`selected`](Filter::selected) understands.
    pub(crate) fn is_selector(&self) -> bool {
        let is_one = |expression: &Expression| matches!(expression, Expression::Service(..) | Expression::Edge(..));
        match &self.expression {
            Expression::Any(parts) => parts.iter().all(is_one),
            other => is_one(other),
        }
    }

    fn needs(&self, view: &TraceView<'_>) -> bool {
        self.beyond_summary || (self.lists && view.summary.is_cut())
    }

    /// Notes what an expression needs, and replaces groups with their expressions.
    fn prepare(
        &mut self,
        expression: &mut Expression,
        place: Place,
        groups: &Groups,
        places: &mut std::vec::IntoIter<usize>,
    ) -> Result<(), FilterError> {
        match expression {
            Expression::All(parts) | Expression::Any(parts) => {
                for part in parts {
                    self.prepare(part, place, groups, places)?;
                }
            }
            Expression::Not(inner) => self.prepare(inner, place, groups, places)?,
            Expression::Service(_, block) | Expression::Edge(_, _, block) if block.is_none() => self.lists = true,
            Expression::Service(_, Some(block)) => {
                self.lists = true;
                self.prepare(block, Place::Service, groups, places)?;
            }
            Expression::Edge(_, _, Some(block)) => {
                self.lists = true;
                self.prepare(block, Place::Edge, groups, places)?;
            }
            Expression::Cause(..) | Expression::CauseJson(_) => self.beyond_summary = true,
            Expression::Annotation(..)
            | Expression::Text(Text::User | Text::InstanceId | Text::AvailabilityZone | Text::ResourceArn, _) => {
                self.lists = true;
                // Those of a summary belong to a segment, not to the call of a segment.
                self.beyond_summary |= place == Place::Edge;
            }
            // A summary has those of the first root.
            Expression::Text(Text::Url | Text::Method, _) => self.beyond_summary |= place != Place::Trace,
            Expression::Text(Text::UserAgent | Text::ClientIp, _) => self.beyond_summary = true,
            Expression::Text(Text::GroupName | Text::GroupArn, test) => {
                let at = places.next().unwrap_or_default();
                let (key, equal) = match test {
                    Some((Operator::Equal, key)) => (key, true),
                    Some((Operator::Unequal, key)) => (key, false),
                    _ => {
                        return Err(FilterError::new(
                            at,
                            "compare a group with = or !=, as in `group.name = \"slow\"`",
                        ));
                    }
                };
                let Some(group) = groups.get(key) else {
                    return Err(FilterError::new(at, format!("there is no group {key:?}")));
                };
                self.beyond_summary |= group.filter.beyond_summary;
                self.lists |= group.filter.lists;
                let inner = group.filter.expression.clone();
                *expression = if equal { inner } else { Expression::Not(Box::new(inner)) };
            }
            _ => {}
        }
        Ok(())
    }
}

/// Where a term is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Trace,
    Service,
    Edge,
}

/// What of a service of a trace is selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Selected {
    Service,
    Edge,
}

impl FilterError {
    fn new(at: usize, message: impl Into<String>) -> FilterError {
        FilterError { message: message.into(), at }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expression.fmt(f)
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid filter expression at byte {}: {}", self.at, self.message)
    }
}

impl Error for FilterError {}

#[cfg(test)]
mod tests;
