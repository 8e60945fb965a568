//! What a summary alone says about an expression, so that few traces are read for those that need more than summaries.

use super::syntax::{CauseKind, Expression, Pattern, Text};
use super::test::{is, kind_of_label, matches};
use crate::trace::{Beyond, Summary};

/// Tests an expression on a trace without reading it; `None` if its summary does not say.
pub(super) fn certain(expression: &Expression, summary: &Summary) -> Option<bool> {
    let exact = || Some(matches(expression, summary, None));
    // What is in the lists is certain. What is not may be in the part that was cut.
    let listed = |is_cut: bool| exact().filter(|found| *found || !is_cut);
    let beyond = |occurs: &dyn Fn(&Beyond) -> bool| summary.beyond.as_deref().is_some_and(occurs);
    let cut_service = |pattern: &Pattern| {
        beyond(&|beyond| beyond.is_cut || beyond.services.iter().any(|service| is(pattern, service)))
    };
    let has_service =
        |pattern: &Pattern| cut_service(pattern) || summary.services.iter().any(|passed| is(pattern, &passed.service));
    match expression {
        Expression::All(parts) => first(parts, summary, false),
        Expression::Any(parts) => first(parts, summary, true),
        Expression::Not(inner) => Some(!certain(inner, summary)?),
        Expression::Everything | Expression::Flag(..) | Expression::Number(..) => exact(),
        Expression::Text(Text::Url | Text::Method, _) => exact(),
        Expression::Text(text, _) => {
            let kind = kind_of_label(*text)?;
            listed(beyond(&|beyond| beyond.labels.contains(&kind)))
        }
        Expression::Annotation(key, _) => {
            listed(beyond(&|beyond| beyond.is_cut || beyond.annotations.iter().any(|cut| **cut == **key)))
        }
        Expression::Service(pattern, None) => listed(cut_service(pattern)),
        // A block may need more, also of services that are listed.
        Expression::Service(pattern, Some(_)) | Expression::Edge(_, pattern, _) => {
            (!has_service(pattern)).then_some(false)
        }
        Expression::Cause(CauseKind::Fault, ..) => (!summary.any.fault()).then_some(false),
        Expression::Cause(CauseKind::Error, ..) => (!summary.any.error()).then_some(false),
        Expression::Cause(CauseKind::ResponseTime, ..) | Expression::CauseJson(_) => None,
    }
}

/// Returns `result` if one of the parts certainly has it, and the opposite if none of them can have it.
fn first(parts: &[Expression], summary: &Summary, result: bool) -> Option<bool> {
    let mut all = Some(!result);
    for part in parts {
        match certain(part, summary) {
            Some(found) if found == result => return Some(result),
            Some(_) => {}
            None => all = None,
        }
    }
    all
}
