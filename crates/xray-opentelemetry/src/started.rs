//! Which entity was current when each living span started.
//!
//! Both SDKs have a context of their own, and neither knows when the other's changes. If an entity and a span are both
//! current, one of them is inside the other: the span, if it started while this entity was current.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use opentelemetry::trace::SpanId;
use xray_core::EntityId;

/// The entities by the id of the span, in several maps, so that threads rarely wait for each other.
static STARTED: [Mutex<Map>; 16] = [const { Mutex::new(Map::with_hasher(BuildHasherDefault::new())) }; 16];

type Map = HashMap<u64, EntityId, BuildHasherDefault<IdHasher>>;

/// Uses a random id as its own hash.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, id: u64) {
        self.0 = id;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

fn map(id: u64) -> MutexGuard<'static, Map> {
    // Bits in the middle, since maps use the lowest and the highest ones.
    STARTED[(id >> 32) as usize % STARTED.len()].lock().unwrap_or_else(PoisonError::into_inner)
}

fn bits(span: SpanId) -> u64 {
    u64::from_be_bytes(span.to_bytes())
}

/// Remembers that `span` started while `entity` was current, until [`forget`] is called.
pub(crate) fn remember(span: SpanId, entity: EntityId) {
    map(bits(span)).insert(bits(span), entity);
}

pub(crate) fn forget(span: SpanId) {
    map(bits(span)).remove(&bits(span));
}

/// Returns the entity that was current when `span` started. `None` if there was none, or if the span is not one of an
/// [`XRayTracerProvider`](crate::XRayTracerProvider) of this process.
pub(crate) fn entity_at_start(span: SpanId) -> Option<EntityId> {
    map(bits(span)).get(&bits(span)).copied()
}
