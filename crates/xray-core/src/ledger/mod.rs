//! The ledger of a trace: it holds subsegments, knows the size of their documents, and decides when to send them.
//!
//! Each recorded trace has one ledger, behind one lock. It has a slot for each entity that has begun and was not sent yet.
//! The slot has what most entities consist of: name, ID, start and end. They are formatted when the entity is sent. All
//! other members are encoded before the entity closes, and the ledger keeps their bytes.
//!
//! - *Held* subsegments have begun and were not sent. While more than the threshold are held, or while the closed ones
//!   have more than [`HELD_BYTES`], every maximal complete subtree is sent as a document of its own.
//! - An entity is *complete* if it and all entities below it are closed.
//! - A *detached* subsegment has a parent that is no longer held open here. It is sent alone at its close, with the id of
//!   its parent, and so are all entities below it.
//!
//! With the threshold 2, a trace is sent like this (`[…]` is one document):
//!
//! | event | held | sent |
//! |---|---|---|
//! | segment begins, `a`, `b` begin below it | `a`, `b` | |
//! | `a` closes | `a`, `b` | |
//! | `c` begins below `b`: three are held | `b`, `c` | `[a]` |
//! | `c` closes | `b`, `c` | |
//! | segment closes | | `[c]`, `[segment, b in progress]` |
//! | `b` closes late | | `[b]` |

mod assemble;
mod slots;
mod stream;

use crate::arena::{Arena, Span};
use crate::document::Document;
use crate::id::{EntityId, TraceId};
use crate::time::Timestamp;

pub(crate) use assemble::STANDALONE_MEMBERS;
pub(crate) use slots::SlotRef;
use slots::{End, NONE, Slot, Slots};

/// The size of closed entities, in bytes, above which complete subtrees are sent even below the threshold, so that
/// documents stay well below the limit of a datagram.
const HELD_BYTES: usize = 48 * 1024;

/// Documents that a ledger sends, and that are emitted once its lock is released. Usually there is none or one.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    first: Option<Document>,
    rest: Vec<Document>,
}

impl Outbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    fn push(&mut self, document: Document) {
        match self.first {
            None => self.first = Some(document),
            Some(_) => self.rest.push(document),
        }
    }
}

impl IntoIterator for Outbox {
    type Item = Document;
    type IntoIter = std::iter::Chain<std::option::IntoIter<Document>, std::vec::IntoIter<Document>>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().chain(self.rest)
    }
}

/// What is known of an entity when it begins.
pub(crate) struct Head<'a> {
    pub(crate) id: EntityId,
    /// Valid, as [`clean_name`](crate::clean_name) returns it.
    pub(crate) name: &'a str,
    pub(crate) start: Timestamp,
}

/// The ledger of a trace: see the module's documentation.
#[derive(Debug)]
pub(crate) struct Ledger {
    trace_id: TraceId,
    threshold: usize,
    slots: Slots,
    arena: Arena,
    /// The number of held subsegments, without detached ones.
    held: usize,
    /// The size of the closed ones among them, in bytes.
    held_bytes: usize,
    /// The number of maximal complete subtrees among them.
    ready: usize,
}

impl Ledger {
    /// Creates the ledger of a trace with this segment. With the threshold 0, each subsegment is sent at its close, so that
    /// nothing is left when a Lambda function is frozen.
    pub(crate) fn new(trace_id: TraceId, threshold: usize, segment: Head<'_>) -> (Ledger, SlotRef) {
        let mut ledger =
            Ledger { trace_id, threshold, slots: Slots::new(), arena: Arena::EMPTY, held: 0, held_bytes: 0, ready: 0 };
        let name = ledger.arena.push(segment.name.as_bytes());
        let root = ledger.slots.take(Slot::open(segment.id, segment.id, name, segment.start));
        (ledger, root)
    }

    /// Begins a subsegment below the entity `parent_id`, whose slot is or was `parent`.
    pub(crate) fn begin(&mut self, parent: SlotRef, parent_id: EntityId, head: Head<'_>, out: &mut Outbox) -> SlotRef {
        let name = self.arena.push(head.name.as_bytes());
        let mut slot = Slot::open(head.id, parent_id, name, head.start);
        let parent =
            self.slots.get(parent).filter(|parent| !parent.detached && !parent.is_closed()).map(|_| parent.index);
        slot.detached = parent.is_none();
        let taken = self.slots.take(slot);
        if let Some(parent) = parent {
            self.slots.link(taken.index, parent);
            self.held += 1;
            if self.is_over() && self.ready > 0 {
                self.send_ready(out);
            }
        }
        taken
    }

    /// Closes a subsegment at `end`. `members` writes its other members, each after a comma.
    pub(crate) fn close(
        &mut self,
        slot: SlotRef,
        end: Timestamp,
        members: impl FnOnce(&mut Vec<u8>),
        out: &mut Outbox,
    ) {
        if self.slots.get(slot).is_none_or(Slot::is_closed) {
            return;
        }
        let index = slot.index;
        let members = self.arena.push_with(members);
        self.slots[index].close(end, members);
        if self.slots[index].detached || self.threshold == 0 {
            self.separate(index);
            return self.send(index, out);
        }
        self.held_bytes += self.slots[index].own_bytes();
        let completed = (self.slots[index].open_children == 0).then(|| self.complete(index));
        if self.is_over() {
            match (self.ready, completed) {
                (0, _) => {}
                (1, Some(top)) => self.send_maximal(top, out),
                _ => self.send_ready(out),
            }
        }
    }

    /// Marks `index` as complete, and every entity above it that becomes complete by this. Returns the topmost one.
    fn complete(&mut self, mut index: u32) -> u32 {
        loop {
            let slot = &self.slots[index];
            // Its children are no longer maximal.
            self.ready = self.ready + 1 - slot.children as usize;
            let (parent, size) = (slot.parent, slot.embedded_size());
            let parent_slot = &mut self.slots[parent];
            parent_slot.open_children -= 1;
            parent_slot.below += size + 1;
            if parent_slot.is_closed() && parent_slot.open_children == 0 {
                index = parent;
            } else {
                return index;
            }
        }
    }

    /// Whether more is held than the limits allow, so that complete subtrees must be sent.
    fn is_over(&self) -> bool {
        self.held > self.threshold || self.held_bytes > HELD_BYTES
    }

    /// As [`close`](Ledger::close), for the segment: everything that is closed is sent. Open subsegments are included as
    /// stubs and are sent again at their own close. Complete subsegments below a stub are sent separately, because X-Ray
    /// discards stubs.
    pub(crate) fn close_root(
        &mut self,
        root: SlotRef,
        end: Timestamp,
        members: impl FnOnce(&mut Vec<u8>),
        out: &mut Outbox,
    ) {
        if self.slots.get(root).is_none() {
            return;
        }
        let members = self.arena.push_with(members);
        self.slots[root.index].close(end, members);
        let tops = match self.slots[root.index].open_children {
            0 => vec![],
            _ => self.stub_open(root.index),
        };
        for top in tops {
            self.send(top, out);
        }
        self.send(root.index, out);
        (self.held, self.held_bytes, self.ready) = (0, 0, 0);
    }

    /// Returns an open entity in its current state, with these members, as a document of its own.
    pub(crate) fn snapshot(&self, slot: SlotRef, members: &[u8], is_segment: bool) -> Option<Document> {
        let open = self.slots.get(slot)?;
        Some(self.assemble_alone(open, members, is_segment))
    }

    /// Sends each open subsegment as a document of its own that only says that it is in progress.
    pub(crate) fn announce_open(&self, out: &mut Outbox) {
        for slot in self.slots.open().into_iter().filter(|slot| !self.is_segment(slot)) {
            out.push(self.assemble_alone(slot, &[], false));
        }
    }

    /// Drops everything that is held.
    pub(crate) fn discard(&mut self) {
        (self.slots, self.arena) = (self.slots.emptied(), Arena::EMPTY);
        (self.held, self.held_bytes, self.ready) = (0, 0, 0);
    }

    /// The numbers of slots and bytes in use, for tests of memory.
    #[cfg(test)]
    fn footprint(&self) -> (usize, usize) {
        (self.slots.len(), self.arena.len())
    }
}

#[cfg(test)]
mod tests;
