//! The slots of a ledger: a tree of held entities, linked by indices, with children in the order of their start.

use std::ops::{Index, IndexMut};

use crate::id::EntityId;
use crate::time::Timestamp;

use super::Span;

/// A reference to the slot of an entity. It is valid until the entity is sent. Afterwards the slot may be reused, and its
/// generation differs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlotRef {
    pub(super) index: u32,
    generation: u32,
}

impl SlotRef {
    /// A reference to no slot.
    pub(crate) const NONE: SlotRef = SlotRef { index: NONE, generation: 0 };

    pub(crate) fn is_none(self) -> bool {
        self.index == NONE
    }
}

/// The index of no slot.
pub(super) const NONE: u32 = u32::MAX;

/// The length of the members that every entity has, without its name. Longer times, after the year 2286, fit into the room
/// that the limits leave.
const FRAME: usize =
    r#"{"name":"","id":"0000000000000000","start_time":1500000000.000000,"end_time":1500000000.000000}"#.len();

/// The length of what encloses children.
const SUBSEGMENTS: usize = r#","subsegments":[]"#.len();

/// One held entity.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) id: EntityId,
    pub(super) parent_id: EntityId,
    generation: u32,
    /// Its number among all entities of the trace, in the order of their start.
    pub(super) begun: u64,
    pub(super) parent: u32,
    pub(super) first_child: u32,
    last_child: u32,
    prev: u32,
    pub(super) next: u32,
    pub(super) children: u32,
    /// The number of children that are not complete.
    pub(super) open_children: u32,
    /// The size of the complete children in a document, each with a comma.
    pub(super) below: usize,
    pub(super) name: Span,
    pub(super) start: Timestamp,
    pub(super) end: End,
    /// All other members, each after a comma.
    pub(super) members: Span,
    /// Whether its parent is not held open here.
    pub(super) detached: bool,
}

/// How a held entity ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Open,
    /// It is open, but treated as closed while the segment is sent.
    Stub,
    At(Timestamp),
}

impl Slot {
    /// Creates the slot of an entity that has just begun.
    pub(super) fn open(id: EntityId, parent_id: EntityId, name: Span, start: Timestamp) -> Slot {
        Slot {
            id,
            parent_id,
            generation: 0,
            begun: 0,
            parent: NONE,
            first_child: NONE,
            last_child: NONE,
            prev: NONE,
            next: NONE,
            children: 0,
            open_children: 0,
            below: 0,
            name,
            start,
            end: End::Open,
            members: Span::EMPTY,
            detached: false,
        }
    }

    pub(super) fn close(&mut self, end: Timestamp, members: Span) {
        (self.end, self.members) = (End::At(end), members);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.end != End::Open
    }

    pub(super) fn is_stub(&self) -> bool {
        self.end == End::Stub
    }

    /// Whether the entity and all entities below it are closed.
    pub(super) fn is_complete(&self) -> bool {
        self.is_closed() && self.open_children == 0
    }

    /// The size of the entity without its children, in bytes.
    pub(super) fn own_bytes(&self) -> usize {
        FRAME + self.name.len() + self.members.len()
    }

    /// The size of the entity and its complete children inside another document, in bytes.
    pub(super) fn embedded_size(&self) -> usize {
        let below = if self.below == 0 { 0 } else { SUBSEGMENTS + self.below - 1 };
        self.own_bytes() + below
    }
}

/// All slots of a ledger. Those of sent entities are reused.
#[derive(Debug)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    /// The first free slot; the others are linked by `next`.
    free: u32,
    begun: u64,
    used: usize,
    /// The generation of new slots. It is higher than all generations of slots before the last
    /// [`emptied`](Slots::emptied).
    fresh: u32,
}

/// Returns no slots, without an allocation.
impl Default for Slots {
    fn default() -> Slots {
        Slots { slots: Vec::new(), free: NONE, begun: 0, used: 0, fresh: 0 }
    }
}

impl Slots {
    /// Returns no slots, with room for a small trace.
    pub(super) fn new() -> Slots {
        Slots { slots: Vec::with_capacity(4), ..Slots::default() }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Stores an entity in a free or new slot.
    pub(super) fn take(&mut self, mut slot: Slot) -> SlotRef {
        slot.begun = self.begun;
        self.begun += 1;
        self.used += 1;
        let index = self.free;
        if let Some(free) = self.slots.get_mut(index as usize) {
            self.free = free.next;
            slot.generation = free.generation;
            *free = slot;
            return SlotRef { index, generation: free.generation };
        }
        let index = self.slots.len() as u32;
        slot.generation = self.fresh;
        self.slots.push(slot);
        SlotRef { index, generation: self.fresh }
    }

    pub(super) fn get(&self, slot: SlotRef) -> Option<&Slot> {
        self.slots.get(slot.index as usize).filter(|found| found.generation == slot.generation)
    }

    /// Returns no slots, without an allocation, in which no earlier reference is valid.
    pub(super) fn emptied(&self) -> Slots {
        let highest = self.slots.iter().map(|slot| slot.generation).max();
        Slots { begun: self.begun, fresh: highest.unwrap_or(self.fresh).wrapping_add(1), ..Slots::default() }
    }

    /// Frees a slot to which no other slot links. All references to it become invalid.
    pub(super) fn release(&mut self, index: u32) {
        self.used -= 1;
        let slot = &mut self.slots[index as usize];
        (slot.name, slot.members) = (Span::EMPTY, Span::EMPTY);
        slot.generation = slot.generation.wrapping_add(1);
        slot.next = self.free;
        self.free = index;
    }

    /// Replaces the state of the same entity in its slot.
    pub(super) fn replace(&mut self, index: u32, mut slot: Slot) {
        let old = &mut self.slots[index as usize];
        (slot.generation, slot.begun) = (old.generation, old.begun);
        *old = slot;
    }

    /// Whether this many closed entities are all that is held.
    pub(super) fn are_closed(&self, entities: usize) -> bool {
        self.used == entities && self.slots.iter().all(|slot| !slot.is_stub())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Makes `child` the last child of `parent`.
    pub(super) fn link(&mut self, child: u32, parent: u32) {
        let last = self[parent].last_child;
        (self[child].parent, self[child].prev) = (parent, last);
        match last {
            NONE => self[parent].first_child = child,
            _ => self[last].next = child,
        }
        let parent = &mut self[parent];
        parent.last_child = child;
        parent.children += 1;
        parent.open_children += 1;
    }

    /// Removes `child` from its parent. The caller updates the parent's `open_children` and `below`.
    pub(super) fn unlink(&mut self, child: u32) {
        let Slot { parent, prev, next, .. } = self[child];
        if parent == NONE {
            return;
        }
        match prev {
            NONE => self[parent].first_child = next,
            _ => self[prev].next = next,
        }
        match next {
            NONE => self[parent].last_child = prev,
            _ => self[next].prev = prev,
        }
        self[parent].children -= 1;
        let slot = &mut self[child];
        (slot.parent, slot.prev, slot.next) = (NONE, NONE, NONE);
    }

    /// Returns the slots of all open entities, in the order of their start.
    pub(super) fn open(&self) -> Vec<&Slot> {
        // Only free slots have no name.
        let mut open: Vec<_> = self.slots.iter().filter(|slot| !slot.name.is_empty() && !slot.is_closed()).collect();
        open.sort_unstable_by_key(|slot| slot.begun);
        open
    }

    /// Returns the spans of all held entities.
    pub(super) fn spans(&mut self) -> impl Iterator<Item = &mut Span> {
        // Only free slots have no name.
        let held = self.slots.iter_mut().filter(|slot| !slot.name.is_empty());
        held.flat_map(|slot| [&mut slot.name, &mut slot.members])
    }

    /// Returns the entity after `at` in the order of a document of `top`. Skips the entities below `at` unless `descend`.
    pub(super) fn following(&self, top: u32, mut at: u32, descend: bool) -> Option<u32> {
        if descend && self[at].first_child != NONE {
            return Some(self[at].first_child);
        }
        while at != top {
            if self[at].next != NONE {
                return Some(self[at].next);
            }
            at = self[at].parent;
        }
        None
    }
}

impl Index<u32> for Slots {
    type Output = Slot;

    fn index(&self, index: u32) -> &Slot {
        &self.slots[index as usize]
    }
}

impl IndexMut<u32> for Slots {
    fn index_mut(&mut self, index: u32) -> &mut Slot {
        &mut self.slots[index as usize]
    }
}
