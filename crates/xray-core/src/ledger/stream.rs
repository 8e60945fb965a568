//! What leaves a ledger, and in how many documents.

use std::cmp::Reverse;

use super::{IN_PROGRESS, Ledger, NONE, Outbox, STANDALONE_MEMBERS, Slot};

/// A document with several entities is split above this size; one entity alone may be larger.
const SPLIT_ABOVE: usize = 60 * 1024;

impl Ledger {
    /// Sends every maximal complete subtree of subsegments, in begin order.
    pub(super) fn send_ready(&mut self, out: &mut Outbox) {
        let mut tops = Vec::with_capacity(self.ready);
        // The segment's slot is the first ever taken, and it is open.
        let mut at = self.slots.following(0, 0, true);
        while let Some(index) = at {
            let complete = self.slots[index].is_complete();
            if complete {
                tops.push(index);
            }
            at = self.slots.following(0, index, !complete);
        }
        tops.sort_unstable_by_key(|index| self.slots[*index].begun);
        for top in tops {
            self.send_maximal(top, out);
        }
    }

    /// Sends one maximal complete subtree.
    pub(super) fn send_maximal(&mut self, top: u32, out: &mut Outbox) {
        self.ready -= 1;
        let Slot { parent, .. } = self.slots[top];
        let size = self.slots[top].embedded_size();
        self.slots[parent].below -= size + 1;
        self.slots.unlink(top);
        self.send(top, out);
    }

    /// Sends `top`, which has no parent any more, with all below it: in one document or, when that became
    /// too large, its largest complete subtrees first in documents of their own, and so on.
    pub(super) fn send(&mut self, top: u32, out: &mut Outbox) {
        let mut tops = vec![];
        let mut top = top;
        loop {
            if self.slots[top].embedded_size() + STANDALONE_MEMBERS > SPLIT_ABOVE {
                self.split(top, &mut tops);
            }
            out.push(self.assemble(top));
            self.release(top);
            match tops.pop() {
                Some(next) => top = next,
                None => break,
            }
        }
        if self.slots.is_empty() {
            // The segment and all late children are gone; a handle may live on for long.
            self.discard();
        } else if self.arena.is_wasteful() {
            self.arena.compact(self.slots.spans());
        }
    }

    /// Makes `index` and its open children detached: whatever leaves here does not wait for them.
    pub(super) fn separate(&mut self, index: u32) {
        let parent = self.slots[index].parent;
        if parent != NONE {
            self.slots[parent].open_children -= 1;
            self.make_solo(index);
        }
        while self.slots[index].first_child != NONE {
            self.make_solo(self.slots[index].first_child);
        }
    }

    fn make_solo(&mut self, index: u32) {
        self.slots.unlink(index);
        self.slots[index].detached = true;
        // Below a detached one, nothing is held any more once the segment has left.
        self.held = self.held.saturating_sub(1);
    }

    /// Detaches the largest children of `top` until the rest is small enough.
    fn split(&mut self, top: u32, tops: &mut Vec<u32>) {
        let mut children = vec![];
        let mut child = self.slots[top].first_child;
        while child != NONE {
            children.push((self.slots[child].embedded_size(), child));
            child = self.slots[child].next;
        }
        // Among equals the first begun stays longest.
        children.sort_by_key(|(size, child)| Reverse((*size, self.slots[*child].begun)));
        for (size, child) in children {
            if self.slots[top].embedded_size() + STANDALONE_MEMBERS <= SPLIT_ABOVE {
                break;
            }
            self.slots.unlink(child);
            self.slots[top].below -= size + 1;
            if self.slots[child].stub {
                // It says nothing yet, and will send itself.
                self.release(child);
            } else {
                tops.push(child);
            }
        }
    }

    /// Frees the slots of `top` and all below it. A stub's entity is still open: it stays, alone.
    fn release(&mut self, top: u32) {
        let mut at = top;
        loop {
            let child = self.slots[at].first_child;
            if child != NONE {
                self.slots[at].first_child = self.slots[child].next;
                at = child;
                continue;
            }
            let parent = self.slots[at].parent;
            self.release_one(at);
            if at == top {
                return;
            }
            at = parent;
        }
    }

    fn release_one(&mut self, index: u32) {
        let slot = &self.slots[index];
        let (head, tail, own) = (slot.head, slot.tail, slot.own_bytes());
        self.arena.release(tail);
        if slot.stub {
            let mut alone = Slot::open(slot.id, slot.parent_id, head);
            alone.detached = true;
            return self.slots.replace(index, alone);
        }
        if !slot.detached && !self.is_segment(slot) {
            self.held = self.held.saturating_sub(1);
            self.held_bytes = self.held_bytes.saturating_sub(own);
        }
        self.arena.release(head);
        self.slots.release(index);
    }

    /// Makes stubs of all open subsegments below `root`, and returns the closed ones directly below a stub,
    /// which must leave on their own, detached.
    pub(super) fn stub_open(&mut self, root: u32) -> Vec<u32> {
        let mut order = vec![];
        let mut at = self.slots.following(root, root, true);
        while let Some(index) = at {
            order.push(index);
            at = self.slots.following(root, index, true);
        }
        let mut tops = vec![];
        for &index in &order {
            let parent = self.slots[index].parent;
            if !self.slots[index].is_closed() {
                self.slots[index].tail = self.arena.push(IN_PROGRESS);
                self.slots[index].stub = true;
            } else if self.slots[parent].stub {
                self.slots.unlink(index);
                tops.push(index);
            }
        }
        // The sizes anew, from the leaves up: what was complete counted stubs as nothing.
        for &index in order.iter().chain([&root]) {
            (self.slots[index].below, self.slots[index].open_children) = (0, 0);
        }
        for &index in order.iter().rev() {
            let (parent, size) = (self.slots[index].parent, self.slots[index].embedded_size());
            if parent != NONE {
                self.slots[parent].below += size + 1;
            }
        }
        tops.sort_unstable_by_key(|index| self.slots[*index].begun);
        tops
    }
}
