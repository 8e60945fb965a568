//! A buffer for many small pieces of bytes: the names and members in a ledger, or the members of an open entity.

use crate::buffer;

/// The place of a piece in an [`Arena`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    start: u32,
    len: u32,
}

impl Span {
    pub(crate) const EMPTY: Span = Span { start: 0, len: 0 };

    pub(crate) fn len(self) -> usize {
        self.len as usize
    }

    fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.start as usize + self.len as usize
    }

    pub(crate) fn is_empty(self) -> bool {
        self.len == 0
    }
}

/// An append-only buffer. Its owner compacts it once the released pieces outweigh the rest.
#[derive(Debug)]
pub(crate) struct Arena {
    bytes: Vec<u8>,
    garbage: usize,
}

/// The number of released bytes below which compaction is not worth the copying.
const MIN_GARBAGE: usize = 16 * 1024;

impl Arena {
    pub(crate) const EMPTY: Arena = Arena { bytes: Vec::new(), garbage: 0 };

    /// Appends a copy of `bytes` and returns its place.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Span {
        self.push_with(|buffer| buffer.extend_from_slice(bytes))
    }

    /// Appends a piece that `write` writes. Beyond 4 GiB, which no trace reaches, nothing is appended.
    pub(crate) fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Span {
        if self.bytes.capacity() == 0 {
            self.bytes = buffer::take(0);
        }
        let start = self.bytes.len();
        write(&mut self.bytes);
        let end = self.bytes.len();
        if end > u32::MAX as usize {
            self.bytes.truncate(start);
            return Span::EMPTY;
        }
        Span { start: start as u32, len: (end - start) as u32 }
    }

    /// Appends to the last piece, and returns the place of the whole.
    pub(crate) fn extend(&mut self, last: Span, write: impl FnOnce(&mut Vec<u8>)) -> Span {
        debug_assert_eq!(last.range().end, self.bytes.len());
        let added = self.push_with(write);
        Span { len: last.len + added.len, ..last }
    }

    pub(crate) fn get(&self, span: Span) -> &[u8] {
        &self.bytes[span.range()]
    }

    /// Marks a piece as no longer needed. Its bytes stay until the next [`compact`](Arena::compact).
    pub(crate) fn release(&mut self, span: Span) {
        self.garbage += span.len();
    }

    /// Whether the released pieces outweigh the rest, so that compaction is worthwhile.
    pub(crate) fn is_wasteful(&self) -> bool {
        self.garbage > MIN_GARBAGE && self.garbage > self.bytes.len() / 2
    }

    /// Moves the pieces of all `spans` to a new buffer. These must be all pieces that are not released.
    pub(crate) fn compact<'a>(&mut self, spans: impl Iterator<Item = &'a mut Span>) {
        let mut bytes = Vec::with_capacity(self.bytes.len() - self.garbage);
        for span in spans {
            let start = bytes.len() as u32;
            bytes.extend_from_slice(&self.bytes[span.range()]);
            span.start = start;
        }
        buffer::give(std::mem::replace(&mut self.bytes, bytes));
        self.garbage = 0;
    }

    /// Removes all pieces, and keeps the buffer.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.garbage = 0;
    }

    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        if self.bytes.capacity() > 0 {
            buffer::give(std::mem::take(&mut self.bytes));
        }
    }
}
