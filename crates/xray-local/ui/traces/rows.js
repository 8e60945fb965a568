//! The rows of the list, without the document: merging pages, live changes, and what is held back.

/** @typedef {import("../api.js").TraceRow} TraceRow */

// The tab keeps at most this many rows, and drops the oldest half when live traces exceed it.
const MAX_ROWS = 20_000;

/** A loaded beginning of the list of matching traces, newest first unless sorted in another way. */
export class TraceRows {
  constructor() {
    this.reset();
  }

  reset() {
    /** @type {TraceRow[]} */
    this.rows = [];
    /** @type {Map<string, TraceRow>} */
    this.byId = new Map();
    /** @type {Map<string, TraceRow>} new traces that are not shown yet */
    this.pending = new Map();
    this.matched = 0;
    this.scanned = 0;
    /** @type {string | null} */
    this.next = null;
    this.loaded = false;
  }

  /** Adds the page that follows the loaded rows. */
  addPage({ rows, next, matched, scanned }) {
    for (const row of rows) {
      if (this.byId.has(row.id)) this.update(row);
      else {
        this.byId.set(row.id, row);
        this.rows.push(row);
      }
    }
    this.next = next ?? null;
    this.matched = Math.max(matched ?? 0, this.rows.length);
    this.scanned = scanned ?? this.matched;
    this.loaded = true;
  }

  /** Changes a row that is shown. Returns whether it is. */
  update(row) {
    const known = this.byId.get(row.id);
    if (!known) return false;
    // Events may overtake a response; a trace only ever grows.
    if (row.revision >= known.revision) Object.assign(known, row, { changes: (known.changes ?? 0) + 1 });
    return true;
  }

  /**
   * Takes traces that changed. New ones are held back until {@link release}.
   * @param {TraceRow[]} rows
   */
  arrive(rows) {
    // Below the loaded rows, a page will bring it.
    const oldest = this.next ? (this.rows.at(-1)?.start ?? -Infinity) : -Infinity;
    for (const row of rows) if (!this.update(row) && row.start >= oldest) this.pending.set(row.id, row);
  }

  /** Shows what was held back, newest first. Returns the number of new rows. */
  release() {
    const fresh = [...this.pending.values()].sort((a, b) => b.start - a.start);
    this.pending.clear();
    if (fresh.length === 0) return 0;
    for (const row of fresh) this.byId.set(row.id, row);
    // A trace that began earlier than the newest one shown belongs further down.
    const rows = fresh.concat(this.rows);
    if (this.rows.length && fresh.at(-1).start < this.rows[0].start) rows.sort((a, b) => b.start - a.start);
    this.rows = rows;
    this.matched += fresh.length;
    this.scanned += fresh.length;
    if (this.rows.length > MAX_ROWS) {
      for (const row of this.rows.splice(MAX_ROWS / 2)) this.byId.delete(row.id);
    }
    return fresh.length;
  }
}
