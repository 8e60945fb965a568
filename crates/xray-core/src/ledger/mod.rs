//! The ledger of a trace: which subsegments are held, what they will take in a document, and when they leave.
//!
//! Each recorded trace has one, behind one lock. It holds a slot for each entity that has begun and was not
//! sent yet, and the bytes of their fragments: the JSON members of one entity without braces and without its
//! `subsegments`, in two parts, the head (`name`, `id`, `start_time`: known at begin) and the tail (the rest:
//! known at close). Fragments are formatted before the lock is taken; under it there is bookkeeping and
//! copying of bytes only.
//!
//! - *held* are the subsegments that have begun and were not sent. While more are held than the threshold, or
//!   while the closed ones hold more than [`HELD_BYTES`], every maximal complete subtree leaves as a document
//!   of its own.
//! - An entity is *complete* when it and all below it are closed.
//! - *detached* is a subsegment whose parent is no longer held open here: it leaves alone at its close, with its
//!   parent's id, and so does all below it.

mod assemble;
mod slots;
mod stream;

use crate::arena::{Arena, Span};
use crate::document::Document;
use crate::id::{EntityId, TraceId};

pub(crate) use assemble::STANDALONE_MEMBERS;
pub(crate) use slots::SlotRef;
use slots::{NONE, Slot, Slots};

/// Bytes of closed fragments above which complete subtrees leave whatever their number, so that a document
/// stays well below the datagram limit.
const HELD_BYTES: usize = 48 * 1024;

/// Documents that have left a ledger and wait to be emitted, once its lock is released. Mostly none or one.
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

/// The tail of an entity that is still open.
pub(crate) const IN_PROGRESS: &[u8] = b",\"in_progress\":true";

/// See the module.
#[derive(Debug)]
pub(crate) struct Ledger {
    trace_id: TraceId,
    threshold: usize,
    slots: Slots,
    arena: Arena,
    /// Subsegments begun and not sent, without the detached ones.
    held: usize,
    /// Bytes of the closed ones among them.
    held_bytes: usize,
    /// Maximal complete subtrees among them.
    ready: usize,
}

impl Ledger {
    /// The ledger of a trace whose segment has begun with `head`. With the threshold 0 nothing is held beyond
    /// its own close, so that a Lambda function has nothing left when it is frozen.
    pub(crate) fn new(trace_id: TraceId, threshold: usize, root: EntityId, head: &[u8]) -> (Ledger, SlotRef) {
        let mut ledger = Ledger {
            trace_id,
            threshold,
            slots: Slots::new(),
            arena: Arena::default(),
            held: 0,
            held_bytes: 0,
            ready: 0,
        };
        let head = ledger.arena.push(head);
        let root = ledger.slots.take(Slot::open(root, root, head));
        (ledger, root)
    }

    /// A subsegment begins under the entity `parent_id`, whose slot is or was `parent`.
    pub(crate) fn begin(
        &mut self,
        parent: SlotRef,
        parent_id: EntityId,
        id: EntityId,
        head: &[u8],
        out: &mut Outbox,
    ) -> SlotRef {
        let mut slot = Slot::open(id, parent_id, self.arena.push(head));
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

    /// A subsegment closes with `tail`.
    pub(crate) fn close(&mut self, slot: SlotRef, tail: &[u8], out: &mut Outbox) {
        if self.slots.get(slot).is_none_or(Slot::is_closed) {
            return;
        }
        let index = slot.index;
        self.slots[index].tail = self.arena.push(tail);
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

    /// Notes that `index` is complete, and all above it that are so by that. Returns the uppermost.
    fn complete(&mut self, mut index: u32) -> u32 {
        loop {
            let slot = &self.slots[index];
            // Its children were maximal until now.
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

    fn is_over(&self) -> bool {
        self.held > self.threshold || self.held_bytes > HELD_BYTES
    }

    /// The segment closes with `tail`: everything leaves that is closed. Open subsegments go along as stubs
    /// and will send themselves; nothing that is complete hangs under a stub, since X-Ray discards stubs.
    pub(crate) fn close_root(&mut self, root: SlotRef, tail: &[u8], out: &mut Outbox) {
        if self.slots.get(root).is_none() {
            return;
        }
        self.slots[root.index].tail = self.arena.push(tail);
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

    /// An open entity as it stands now, with `tail`, as a document of its own.
    pub(crate) fn snapshot(&self, slot: SlotRef, tail: &[u8], is_segment: bool) -> Option<Document> {
        let open = self.slots.get(slot)?;
        Some(self.stitch_alone(open, tail, is_segment))
    }

    /// All subsegments that are open, each as a document of its own that says no more than that.
    pub(crate) fn announce_open(&self, out: &mut Outbox) {
        for slot in self.slots.open().into_iter().filter(|slot| !self.is_segment(slot)) {
            out.push(self.stitch_alone(slot, IN_PROGRESS, false));
        }
    }

    /// Forgets everything.
    pub(crate) fn discard(&mut self) {
        (self.slots, self.arena) = (self.slots.emptied(), Arena::default());
        (self.held, self.held_bytes, self.ready) = (0, 0, 0);
    }

    /// Slots in use, for tests of memory.
    #[cfg(test)]
    fn footprint(&self) -> (usize, usize) {
        (self.slots.len(), self.arena.len())
    }
}

#[cfg(test)]
mod tests;
