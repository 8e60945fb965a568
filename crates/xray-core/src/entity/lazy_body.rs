//! The body of an open entity, which exists from its first member on, and spare bodies of each thread.

use crate::spare::Spares;

use super::body::Body;

/// The size of its buffers above which a body is freed instead of kept.
const LARGE: usize = 16 * 1024;

thread_local! {
    static SPARE: Spares<Box<Body>> = const { Spares::new() };
}

/// A body that is created when it is first changed. Dropping it keeps its buffers for the next one of the thread.
#[derive(Debug, Default)]
pub(crate) struct LazyBody(Option<Box<Body>>);

impl LazyBody {
    /// Returns the body, if it has a member.
    pub(super) fn get(&self) -> Option<&Body> {
        self.0.as_deref()
    }

    #[inline]
    pub(super) fn get_mut(&mut self) -> &mut Body {
        self.0.get_or_insert_with(spare)
    }
}

#[inline(never)]
fn spare() -> Box<Body> {
    SPARE.try_with(Spares::take).ok().flatten().unwrap_or_else(|| Box::new(Body::EMPTY))
}

impl Drop for LazyBody {
    fn drop(&mut self) {
        let Some(mut body) = self.0.take().filter(|body| body.capacity() <= LARGE) else { return };
        body.reset();
        // A thread that is ending keeps none.
        let _ = SPARE.try_with(|spare| spare.give(body));
    }
}
