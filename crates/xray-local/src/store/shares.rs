//! What each service has on the shelf, so that a busy one does not displace the traces of all others.
//!
//! A trace belongs to the service at the top of its first document. When a limit is reached, the service with the largest
//! share loses the trace that has been idle for the longest time. As long as there is only one service, this is the trace
//! that has been idle for the longest time at all.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::trace::Name;

/// The number of services with a place of their own. Further ones share one, so that hostile names cost neither time nor
/// memory.
const MAX_SERVICES: usize = 64;

/// The place of a service in [`Shares`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place(u8);

#[derive(Debug)]
pub(super) struct Shares(Vec<Share>);

#[derive(Debug, Default)]
struct Share {
    /// `None` for the place of further services, which is the first one, and for a place that is free.
    service: Option<Name>,
    /// The sequence numbers of the last documents of its traces.
    traces: BTreeSet<u64>,
    bytes: usize,
}

/// By what shares are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Traces,
    Bytes,
}

impl Default for Shares {
    fn default() -> Shares {
        Shares(vec![Share::default()])
    }
}

impl Shares {
    /// Returns the place of a service, for its next trace.
    pub(super) fn place(&mut self, service: &Name) -> Place {
        let of = |wanted: Option<&Name>, from: usize, shares: &[Share]| {
            shares.iter().skip(from).position(|share| share.service.as_ref() == wanted).map(|place| place + from)
        };
        let known = of(Some(service), 1, &self.0).or_else(|| {
            let free = of(None, 1, &self.0).or_else(|| {
                (self.0.len() <= MAX_SERVICES).then(|| {
                    self.0.push(Share::default());
                    self.0.len() - 1
                })
            })?;
            self.0[free].service = Some(service.clone());
            Some(free)
        });
        // Lossless: there are at most 65.
        Place(known.unwrap_or_default() as u8)
    }

    /// Notes a trace, and the number of its last document instead of the one before.
    pub(super) fn moved(&mut self, place: Place, before: u64, now: u64) {
        let share = &mut self.0[usize::from(place.0)];
        share.traces.remove(&before);
        share.traces.insert(now);
    }

    /// Notes that the size of a trace has changed.
    pub(super) fn resized(&mut self, place: Place, before: usize, now: usize) {
        let share = &mut self.0[usize::from(place.0)];
        share.bytes = (share.bytes + now).saturating_sub(before);
    }

    /// Removes a trace with its size.
    pub(super) fn remove(&mut self, place: Place, sequence: u64, bytes: usize) {
        let share = &mut self.0[usize::from(place.0)];
        share.traces.remove(&sequence);
        share.bytes = share.bytes.saturating_sub(bytes);
        if share.traces.is_empty() {
            share.service = None;
        }
    }

    /// Returns the number of the trace to forget first.
    pub(super) fn first(&self, by: By) -> Option<u64> {
        let oldest = |share: &Share| share.traces.first().copied();
        let size = |share: &Share| match by {
            By::Traces => share.traces.len(),
            By::Bytes => share.bytes,
        };
        let shares = self.0.iter().filter_map(|share| Some((size(share), Reverse(oldest(share)?))));
        shares.max().map(|(_, Reverse(sequence))| sequence)
    }
}
