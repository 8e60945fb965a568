//! The spans that a thread has entered.
//!
//! Guards of X-Ray's context are dropped in the opposite order of their making. Guards of spans need not be: exiting a span
//! below others drops their guards first, and enters them again.

use std::cell::RefCell;
use std::sync::Arc;

use xray_core::context::Entered;

use crate::recorded::Recorded;

struct Span {
    recorded: Arc<Recorded>,
    guard: Entered,
}

thread_local! {
    static ENTERED: RefCell<Vec<Span>> = const { RefCell::new(Vec::new()) };
}

/// Makes the entity of a span current on this thread.
pub(crate) fn push(recorded: Arc<Recorded>) {
    let guard = recorded.entity().enter();
    let _ = ENTERED.try_with(|entered| entered.borrow_mut().push(Span { recorded, guard }));
}

/// Ends what the last `push` of this span on this thread began.
pub(crate) fn pop(recorded: &Arc<Recorded>) {
    let Ok(Some(mut above)) = ENTERED.try_with(|entered| {
        let mut entered = entered.borrow_mut();
        let at = entered.iter().rposition(|span| Arc::ptr_eq(&span.recorded, recorded))?;
        Some(entered.split_off(at))
    }) else {
        return;
    };
    // The guards are dropped while the list is not borrowed: that may close an entity, and run code of the application.
    let mut again = Vec::new();
    while let Some(span) = above.pop() {
        let Span { recorded, guard } = span;
        drop(guard);
        if !above.is_empty() {
            again.push(recorded);
        }
    }
    again.into_iter().rev().for_each(push);
}
