//! Assembles documents from held fragments.

use crate::buffer;
use crate::document::{Content, Document, HEADER, json};

use super::{Ledger, NONE, Slot};

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
        out.extend_from_slice(self.arena.get(slots[top].tail));
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
            out.extend_from_slice(self.arena.get(slots[at].tail));
        }
    }

    /// Returns a document of one entity alone, with this tail instead of its own.
    pub(super) fn assemble_alone(&self, slot: &Slot, tail: &[u8], is_segment: bool) -> Document {
        let mut out = buffer::sized(HEADER.len() + STANDALONE_MEMBERS + slot.head.len() + tail.len() + 2);
        out.extend_from_slice(HEADER);
        self.open(&mut out, slot, !is_segment);
        out.extend_from_slice(tail);
        out.push(b'}');
        Document::new(out, self.content(slot, is_segment, 1))
    }

    fn content(&self, top: &Slot, is_segment: bool, entities: usize) -> Content {
        Content { trace_id: self.trace_id, id: top.id, is_segment, entities, bytes: 0 }
    }

    /// Writes the opening brace and the head of an entity. A separate document also names its trace and its parent.
    fn open(&self, out: &mut Vec<u8>, slot: &Slot, standalone: bool) {
        out.push(b'{');
        out.extend_from_slice(self.arena.get(slot.head));
        if standalone {
            json::raw(out, ",\"type\":\"subsegment\",\"trace_id\":\"");
            out.extend_from_slice(&self.trace_id.to_ascii());
            json::raw(out, "\",\"parent_id\":\"");
            out.extend_from_slice(&slot.parent_id.to_ascii());
            out.push(b'"');
        }
    }

    /// Whether the slot is that of the segment, which is its own parent here.
    pub(super) fn is_segment(&self, slot: &Slot) -> bool {
        slot.id == slot.parent_id
    }
}
