//! Responses that are made in pieces while they are sent, because all documents together may be larger than the memory.

use std::io;
use std::sync::Arc;

use axum::body::Body;
use futures_util::stream::{self, StreamExt};

use super::{App, blocking};
use crate::id::TraceId;

/// Traces of one piece.
const PIECE: usize = 100;

/// What a response has for one trace, if the store still has it.
type One = fn(&App, TraceId) -> Option<String>;

/// The texts around and between those of the traces.
pub(super) struct Frame {
    pub(super) begin: String,
    pub(super) between: &'static str,
    pub(super) end: &'static str,
}

/// Returns the body. If a piece cannot be made, the connection ends before the response does.
pub(super) fn body(app: Arc<App>, ids: Vec<TraceId>, one: One, frame: Frame) -> Body {
    let Frame { begin, between, end } = frame;
    let pieces = stream::unfold((ids.into_iter(), false), move |(mut ids, begun)| {
        let app = Arc::clone(&app);
        async move {
            let next: Vec<TraceId> = ids.by_ref().take(PIECE).collect();
            if next.is_empty() {
                return None;
            }
            let texts = blocking(move || next.into_iter().filter_map(|id| one(&app, id)).collect::<Vec<_>>()).await;
            let Some(texts) = texts else {
                return Some((Err(io::Error::other("a piece could not be made")), (Vec::new().into_iter(), begun)));
            };
            let before = if begun && !texts.is_empty() { between } else { "" };
            let begun = begun || !texts.is_empty();
            Some((Ok(format!("{before}{}", texts.join(between))), (ids, begun)))
        }
    });
    let around = |text| stream::iter([Ok(text)]);
    Body::from_stream(around(begin).chain(pieces).chain(around(end.to_owned())))
}
