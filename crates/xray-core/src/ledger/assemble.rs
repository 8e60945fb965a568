//! Assembles documents from held entities.

use crate::buffer;
use crate::document::{Content, Document, HEADER, json};

use super::{End, Ledger, NONE, Slot};

/// The size of the members that only a separate document of a subsegment has, in bytes.
pub(crate) const STANDALONE_MEMBERS: usize =
    r#","type":"subsegment","trace_id":"1-00000000-000000000000000000000000","parent_id":"0000000000000000""#.len();

impl Ledger {
    /// Returns the document of `top`, which must be complete, with everything below it.
    pub(super) fn assemble(&self, top: u32) -> Document {
        let slots = &self.slots;
        let is_segment = self.is_segment(&slots[top]);
        let mut out = buffer::sized(HEADER.len() + STANDALONE_MEMBERS + slots[top].embedded_size());
        out.extend_from_slice(HEADER);
        self.open(&mut out, &slots[top], !is_segment);
        let (mut at, mut entities) = (top, 1);
        loop {
            if slots[at].first_child != NONE {
                json::raw(&mut out, ",\"subsegments\":[");
                at = slots[at].first_child;
            } else {
                out.push(b'}');
                while at != top && slots[at].next == NONE {
                    json::raw(&mut out, "]}");
                    at = slots[at].parent;
                }
                if at == top {
                    return Document::new(out, self.content(&slots[top], is_segment, entities));
                }
                out.push(b',');
                at = slots[at].next;
            }
            entities += 1;
            self.open(&mut out, &slots[at], false);
        }
    }

    /// Returns a document of one open entity alone, with these members.
    pub(super) fn assemble_alone(&self, slot: &Slot, members: &[u8], is_segment: bool) -> Document {
        let mut out = buffer::sized(HEADER.len() + STANDALONE_MEMBERS + slot.own_bytes() + members.len());
        out.extend_from_slice(HEADER);
        self.open(&mut out, slot, !is_segment);
        out.extend_from_slice(members);
        out.push(b'}');
        Document::new(out, self.content(slot, is_segment, 1))
    }

    fn content(&self, top: &Slot, is_segment: bool, entities: usize) -> Content {
        Content { trace_id: self.trace_id, id: top.id, is_segment, entities, bytes: 0 }
    }

    /// Writes an entity up to its children. A separate document also names its trace and its parent.
    fn open(&self, out: &mut Vec<u8>, slot: &Slot, standalone: bool) {
        json::raw(out, "{\"name\":\"");
        // A clean name has nothing to escape.
        out.extend_from_slice(self.arena.get(slot.name));
        let mut rest = *b"\",\"id\":\"................\",\"start_time\":";
        rest[8..24].copy_from_slice(&slot.id.to_ascii());
        out.extend_from_slice(&rest);
        json::time(out, slot.start);
        if standalone {
            json::raw(out, ",\"type\":\"subsegment\",\"trace_id\":\"");
            out.extend_from_slice(&self.trace_id.to_ascii());
            json::raw(out, "\",\"parent_id\":\"");
            out.extend_from_slice(&slot.parent_id.to_ascii());
            out.push(b'"');
        }
        match slot.end {
            End::At(end) => {
                json::raw(out, ",\"end_time\":");
                json::time(out, end);
            }
            End::Open | End::Stub => json::raw(out, ",\"in_progress\":true"),
        }
        out.extend_from_slice(self.arena.get(slot.members));
    }

    /// Whether the slot is that of the segment, which is its own parent here.
    pub(super) fn is_segment(&self, slot: &Slot) -> bool {
        slot.id == slot.parent_id
    }
}
