//! Trace ids and entity ids, their text form, and the source of new ones.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use fastrand::Rng;

use crate::random;
use crate::time::Timestamp;

/// Identifies a trace in all services that it crosses: `1-<8 hex: epoch seconds>-<24 hex: random>`.
///
/// Its 128 bits are those of a W3C trace id, in the same order. [`to_u128`](TraceId::to_u128) and
/// [`from_u128`](TraceId::from_u128) convert without loss. Its text form is always lower case; parsing accepts upper case.
///
/// ```
/// use xray_core::TraceId;
///
/// let id: TraceId = "1-5759e988-bd862e3fe1be46a994272793".parse()?;
/// assert_eq!(id.epoch_seconds(), 0x5759e988);
/// assert_eq!(format!("{:032x}", id.to_u128()), "5759e988bd862e3fe1be46a994272793");
/// # Ok::<(), xray_core::ParseIdError>(())
/// ```
///
/// Write the id of the current trace into log lines, to find them from a trace and the other way round:
///
/// ```
/// # let (recorder, _traces) = xray_core::Recorder::in_memory();
/// # let segment = recorder.begin("shop");
/// # let _entered = segment.enter();
/// if let Some(trace_id) = xray_core::current().trace_id() {
///     println!("trace_id={trace_id} order received");
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId {
    // Two words have half the alignment of a `u128`, and make handles smaller, which are moved often.
    high: u64,
    low: u64,
}

impl TraceId {
    /// The length of the text form.
    pub(crate) const LEN: usize = 35;

    /// Creates an id from its 128 bits: 32 of epoch seconds, then 96 random ones.
    pub const fn from_u128(bits: u128) -> TraceId {
        TraceId { high: (bits >> 64) as u64, low: bits as u64 }
    }

    /// Returns the 128 bits of the id.
    pub const fn to_u128(self) -> u128 {
        (self.high as u128) << 64 | self.low as u128
    }

    /// Returns the start of the trace in seconds since the Unix epoch, by the clock of the service that began it.
    pub const fn epoch_seconds(self) -> u32 {
        (self.high >> 32) as u32
    }

    pub(crate) fn with_epoch_seconds(self, seconds: u32) -> TraceId {
        TraceId { high: u64::from(seconds) << 32 | self.high & 0xffff_ffff, low: self.low }
    }

    /// Returns the text form as ASCII, without an allocation.
    pub(crate) fn to_ascii(self) -> [u8; TraceId::LEN] {
        let mut text = *b"1-00000000-000000000000000000000000";
        let high = self.high.to_be_bytes();
        write_hex(&high[..4], &mut text[2..10]);
        write_hex(&high[4..], &mut text[11..19]);
        write_hex(&self.low.to_be_bytes(), &mut text[19..]);
        text
    }

    pub(crate) fn parse_bytes(text: &[u8]) -> Option<TraceId> {
        let text: &[u8; TraceId::LEN] = text.try_into().ok()?;
        if text[0] != b'1' || text[1] != b'-' || text[10] != b'-' {
            return None;
        }
        let seconds = parse_hex(&text[2..10])?;
        let high = parse_hex(&text[11..19])?;
        let low = parse_hex(&text[19..])?;
        Some(TraceId { high: seconds << 32 | high, low })
    }
}

impl FromStr for TraceId {
    type Err = ParseIdError;

    /// Parses the text form. Accepts digits in upper case as well.
    fn from_str(text: &str) -> Result<TraceId, ParseIdError> {
        TraceId::parse_bytes(text.as_bytes()).ok_or(ParseIdError)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.to_ascii()).unwrap_or_default())
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Identifies a segment, a subsegment or an exception within its trace: 16 hex digits in lower case, never all zero.
///
/// ```
/// use xray_core::EntityId;
///
/// let id: EntityId = "53995c3f42cd8ad8".parse()?;
/// assert_eq!(EntityId::from_u64(id.to_u64()), Some(id));
/// assert_eq!(EntityId::from_u64(0), None);
/// # Ok::<(), xray_core::ParseIdError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityId(NonZeroU64);

impl EntityId {
    /// Creates an id from its 64 bits, or returns `None` if they are all zero.
    pub const fn from_u64(bits: u64) -> Option<EntityId> {
        match NonZeroU64::new(bits) {
            Some(bits) => Some(EntityId(bits)),
            None => None,
        }
    }

    fn from_random(bits: u64) -> EntityId {
        EntityId::from_u64(bits).unwrap_or(EntityId(NonZeroU64::MIN))
    }

    /// Returns the 64 bits of the id.
    pub const fn to_u64(self) -> u64 {
        self.0.get()
    }

    /// Returns the text form as ASCII, without an allocation.
    pub(crate) fn to_ascii(self) -> [u8; 16] {
        let mut text = [0; 16];
        write_hex(&self.0.get().to_be_bytes(), &mut text);
        text
    }

    pub(crate) fn parse_bytes(text: &[u8]) -> Option<EntityId> {
        if text.len() == 16 { parse_hex(text).and_then(EntityId::from_u64) } else { None }
    }
}

impl FromStr for EntityId {
    type Err = ParseIdError;

    /// Parses the text form. Accepts digits in upper case as well.
    fn from_str(text: &str) -> Result<EntityId, ParseIdError> {
        EntityId::parse_bytes(text.as_bytes()).ok_or(ParseIdError)
    }
}

impl fmt::Display for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.to_ascii()).unwrap_or_default())
    }
}

impl fmt::Debug for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The error for a text that is not a trace id (`1-<8 hex>-<24 hex>`) or not an entity id (16 hex digits, not all zero).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseIdError;

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a trace id (1-<8 hex digits>-<24 hex digits>) or an entity id (16 hex digits)")
    }
}

impl std::error::Error for ParseIdError {}

/// The source of a recorder's new ids.
#[derive(Clone, Debug, Default)]
pub(crate) enum IdSource {
    /// A fast generator per thread, seeded by the operating system.
    #[default]
    Thread,
    /// A seeded generator, which produces the same ids in each run.
    Seeded(Arc<Mutex<Rng>>),
}

impl IdSource {
    /// Creates a source that returns the same ids in each run.
    pub(crate) fn seeded(seed: u64) -> IdSource {
        IdSource::Seeded(Arc::new(Mutex::new(Rng::with_seed(seed))))
    }

    /// Mixes `entropy` into the generator of this thread.
    ///
    /// A forked process and a restored snapshot (Lambda) have a copy of the generator and would repeat its ids. So each
    /// recorded trace and each subsegment mixes in bits of a clock reading that it takes anyway, and copies diverge at
    /// their next entity, on every thread.
    pub(crate) fn reseed(&self, entropy: u64) {
        if let IdSource::Thread = self {
            random::with(|rng| reseed(rng, entropy));
        }
    }

    /// [Reseeds](IdSource::reseed), and returns a new id.
    #[inline]
    pub(crate) fn reseeded_entity_id(&self, entropy: u64) -> EntityId {
        match self {
            IdSource::Thread => EntityId::from_random(random::with(|rng| {
                reseed(rng, entropy);
                rng.u64(..)
            })),
            IdSource::Seeded(_) => self.entity_id(),
        }
    }

    /// Returns a new id for a trace that begins at `start`.
    pub(crate) fn trace_id(&self, start: Timestamp) -> TraceId {
        let random = match self {
            IdSource::Thread => random::with(|rng| rng.u128(..)),
            IdSource::Seeded(rng) => rng.lock().unwrap_or_else(PoisonError::into_inner).u128(..),
        };
        TraceId::from_u128(random).with_epoch_seconds(start.as_secs() as u32)
    }

    /// Returns an id of 128 random bits, without a time, for a trace that is not recorded.
    pub(crate) fn unrecorded_trace_id(&self) -> TraceId {
        TraceId::from_u128(match self {
            IdSource::Thread => random::with(|rng| rng.u128(..)),
            IdSource::Seeded(rng) => rng.lock().unwrap_or_else(PoisonError::into_inner).u128(..),
        })
    }

    pub(crate) fn entity_id(&self) -> EntityId {
        let bits = match self {
            IdSource::Thread => random::with(|rng| rng.u64(..)),
            IdSource::Seeded(rng) => rng.lock().unwrap_or_else(PoisonError::into_inner).u64(1..),
        };
        EntityId::from_random(bits)
    }
}

fn reseed(rng: &mut Rng, entropy: u64) {
    let mixed = rng.u64(..) ^ entropy.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    rng.seed(mixed);
}

const DIGITS: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    table
};

fn write_hex(bytes: &[u8], text: &mut [u8]) {
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&DIGITS[usize::from(*byte)]);
    }
}

/// The value of each hex digit; 0xff for all other bytes.
const VALUES: [u8; 256] = {
    let mut table = [0xff; 256];
    let mut value = 0;
    while value < 16 {
        let lower = b"0123456789abcdef"[value];
        table[lower as usize] = value as u8;
        table[lower.to_ascii_uppercase() as usize] = value as u8;
        value += 1;
    }
    table
};

/// Parses at most 16 hex digits.
fn parse_hex(text: &[u8]) -> Option<u64> {
    let (mut bits, mut seen) = (0, 0);
    for byte in text {
        let value = VALUES[usize::from(*byte)];
        seen |= value;
        bits = bits << 4 | u64::from(value & 15);
    }
    (seen < 16).then_some(bits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn malformed_ids_are_rejected() {
        for text in [
            "",
            "1-5f84c7a5-e7d1852db8c4fd35d88bf49",
            "1-5f84c7a5-e7d1852db8c4fd35d88bf49a0",
            "2-5f84c7a5-e7d1852db8c4fd35d88bf49a",
            "1-5f84c7a5xe7d1852db8c4fd35d88bf49a",
            "1-5f84c7g5-e7d1852db8c4fd35d88bf49a",
            "1-5f84c7a5-e7d1852db8c4fd35d88bf4é",
        ] {
            assert_eq!(text.parse::<TraceId>(), Err(ParseIdError), "{text}");
        }
        for text in ["", "0000000000000000", "53995c3f42cd8ad", "53995c3f42cd8ad8a", "53995c3f42cd8adx"] {
            assert_eq!(text.parse::<EntityId>(), Err(ParseIdError), "{text}");
        }
    }

    #[test]
    fn a_copied_generator_diverges_at_the_next_trace() {
        let start = Timestamp::from_micros(1_700_000_000_000_000);
        let after = |entropy| {
            random::with(|rng| rng.seed(7));
            IdSource::Thread.reseed(entropy);
            (IdSource::Thread.trace_id(start), IdSource::Thread.entity_id())
        };
        assert_eq!(after(1), after(1));
        assert_ne!(after(1), after(2));
        assert_ne!(after(1).1, after(2).1);
    }

    #[test]
    fn a_copied_process_diverges_in_a_trace_that_it_continues_on_every_thread() {
        use crate::time::Clock;
        use crate::{Recorder, TraceHeader};

        let header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
        let copy_at = |micros| {
            let builder = Recorder::builder().environment(|_| None).emitter(crate::emit::MemoryEmitter::new());
            let recorder = builder.clock(Clock::manual(Timestamp::from_micros(micros))).build().unwrap();
            let facade = recorder.facade(&TraceHeader::parse(header));
            // The trace may have begun on another thread, so what its start has mixed in is not on this one.
            random::with(|rng| rng.seed(7));
            facade.subsegment("work").id().unwrap()
        };
        assert_eq!(copy_at(1), copy_at(1));
        assert_ne!(copy_at(1), copy_at(2));
    }

    proptest! {
        #[test]
        fn text_and_bits_convert_both_ways(trace: u128, entity in 1u64..) {
            let id = TraceId::from_u128(trace);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            prop_assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
            let id = EntityId::from_u64(entity).unwrap();
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            prop_assert_eq!(id.to_string(), format!("{entity:016x}"));
        }
    }
}
