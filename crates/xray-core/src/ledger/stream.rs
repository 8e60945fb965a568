//! Sends subtrees of a ledger, and splits those that are too large for one document.

use std::cmp::Reverse;

use super::{End, Ledger, NONE, Outbox, STANDALONE_MEMBERS, Slot};

/// The size above which a document with several entities is split, in bytes. One entity alone may be larger.
const SPLIT_ABOVE: usize = 60 * 1024;

impl Ledger {
    /// Sends every maximal complete subtree of subsegments, in the order of their start.
    pub(super) fn send_ready(&mut self, out: &mut Outbox) {
        let mut tops = Vec::with_capacity(self.ready);
        // The slot of the segment is the first one, and the segment is open.
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

    /// Sends `top`, which no longer has a parent, with everything below it. If one document would be too large, its largest
    /// complete subtrees are moved to documents of their own, and so on.
    pub(super) fn send(&mut self, top: u32, out: &mut Outbox) {
        let mut tops = vec![];
        let mut top = top;
        loop {
            if self.slots[top].embedded_size() + STANDALONE_MEMBERS > SPLIT_ABOVE {
                self.split(top, &mut tops);
            }
            let document = self.assemble(top);
            let is_all = self.slots.are_closed(document.content().entities);
            out.push(document);
            if is_all {
                return self.discard();
            }
            self.release(top);
            match tops.pop() {
                Some(next) => top = next,
                None => break,
            }
        }
        if self.slots.is_empty() {
            // The segment and all late children were sent. A handle may keep the ledger alive for a long time.
            self.discard();
        } else if self.arena.is_wasteful() {
            self.arena.compact(self.slots.spans());
        }
    }

    /// Detaches `index` and its open children, so that it can be sent without waiting for them.
    pub(super) fn separate(&mut self, index: u32) {
        let parent = self.slots[index].parent;
        if parent != NONE {
            self.slots[parent].open_children -= 1;
            self.detach(index);
        }
        while self.slots[index].first_child != NONE {
            self.detach(self.slots[index].first_child);
        }
    }

    /// Unlinks a subsegment from its parent, so that it is sent on its own.
    fn detach(&mut self, index: u32) {
        self.slots.unlink(index);
        self.slots[index].detached = true;
        // After the segment was sent, the count is already zero.
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
        // Among equal sizes, those that began first stay longest.
        children.sort_by_key(|(size, child)| Reverse((*size, self.slots[*child].begun)));
        for (size, child) in children {
            if self.slots[top].embedded_size() + STANDALONE_MEMBERS <= SPLIT_ABOVE {
                break;
            }
            self.slots.unlink(child);
            self.slots[top].below -= size + 1;
            if self.slots[child].is_stub() {
                // A stub has no content yet, and is sent at its own close.
                self.release(child);
            } else {
                tops.push(child);
            }
        }
    }

    /// Frees the slots of `top` and everything below it. The entity of a stub is still open, so its slot stays, detached.
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

    /// Frees one slot. The slot of a stub becomes that of a detached open subsegment.
    fn release_one(&mut self, index: u32) {
        let slot = &self.slots[index];
        let (name, members, own) = (slot.name, slot.members, slot.own_bytes());
        if slot.is_stub() {
            let mut alone = Slot::open(slot.id, slot.parent_id, name, slot.start);
            alone.detached = true;
            return self.slots.replace(index, alone);
        }
        if !slot.detached && !self.is_segment(slot) {
            self.held = self.held.saturating_sub(1);
            self.held_bytes = self.held_bytes.saturating_sub(own);
        }
        self.arena.release(name);
        self.arena.release(members);
        self.slots.release(index);
    }

    /// Turns all open subsegments below `root` into stubs. Returns the closed ones directly below a stub, which are
    /// unlinked and must be sent separately.
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
                self.slots[index].end = End::Stub;
            } else if self.slots[parent].is_stub() {
                self.slots.unlink(index);
                tops.push(index);
            }
        }
        // Compute the sizes again, from the leaves up: they did not include stubs.
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
