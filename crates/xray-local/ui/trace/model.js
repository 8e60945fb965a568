//! A trace as columns: one number per entity and property, in pre-order, so that 100,000 entities cost little.

/** Kinds of entities, as the program numbers them. */
export const KIND = { segment: 0, subsegment: 1, remote: 2, aws: 3, sql: 4, inferred: 5 };

const FLAG = { fault: 1, error: 2, throttle: 4, open: 8, orphan: 16, exceptions: 32 };

/** The columns of a row in the program's response. */
const COLUMN = { id: 0, depth: 1, end: 2, start: 3, duration: 4, flags: 5, kind: 6, name: 7, signature: 8, status: 9, action: 10, segment: 11 };

export class TraceModel {
  /** @param {any} response of `GET /api/traces/ID` */
  constructor(response) {
    const { rows, names, skews = [] } = response;
    this.id = response.id;
    /** µs since the epoch */
    this.begin = response.start;
    this.revision = response.revision;
    this.documents = response.documents;
    /** @type {string[]} */
    this.names = names;
    this.count = rows.length;
    /** @type {string[]} */
    this.ids = rows.map((row) => row[COLUMN.id]);
    const column = (Type, index) => Type.from(rows, (row) => row[index]);
    this.depth = column(Uint32Array, COLUMN.depth);
    /** Index after the last descendant. */
    this.end = column(Uint32Array, COLUMN.end);
    /** µs from the beginning of the trace. */
    this.start = column(Float64Array, COLUMN.start);
    this.flags = column(Uint32Array, COLUMN.flags);
    this.kind = column(Uint8Array, COLUMN.kind);
    this.signature = column(Uint32Array, COLUMN.signature);
    this.status = column(Uint16Array, COLUMN.status);
    this.nameIndex = column(Uint32Array, COLUMN.name);
    this.actionIndex = column(Int32Array, COLUMN.action);
    this.segmentIndex = column(Int32Array, COLUMN.segment);
    const durations = column(Float64Array, COLUMN.duration);
    const ends = durations.map((duration, i) => this.start[i] + Math.max(0, duration));
    /** µs; never 0, so that shares can be computed. */
    this.duration = Math.max(1, response.duration, ends.reduce((most, end) => Math.max(most, end), 0));
    /** µs from the beginning of the trace; what is in progress ends with the trace. */
    this.stop = durations.map((duration, i) => (duration < 0 ? this.duration : ends[i]));
    this.parent = parents(this.depth);
    /** @type {Map<number, number>} segments that were moved, with µs */
    this.skews = new Map(skews);
    this.indexOf = new Map(this.ids.map((id, i) => [id, i]));
  }

  name(i) {
    return this.names[this.nameIndex[i]] ?? "";
  }

  /** What an entity does: method and URL, AWS operation, SQL query; or an empty string. */
  action(i) {
    return this.names[this.actionIndex[i]] ?? "";
  }

  /** The service whose segment the entity belongs to. */
  service(i) {
    return this.names[this.segmentIndex[i]] ?? this.name(i);
  }

  /** Flags by name, as `status_tag.js` wants them. */
  flagsOf(i) {
    const flags = this.flags[i];
    return { fault: (flags & FLAG.fault) !== 0, error: (flags & FLAG.error) !== 0, throttle: (flags & FLAG.throttle) !== 0, open: (flags & FLAG.open) !== 0 };
  }

  isBad(i) {
    return (this.flags[i] & (FLAG.fault | FLAG.error | FLAG.throttle)) !== 0;
  }

  isOpen(i) {
    return (this.flags[i] & FLAG.open) !== 0;
  }

  isOrphan(i) {
    return (this.flags[i] & FLAG.orphan) !== 0;
  }

  hasExceptions(i) {
    return (this.flags[i] & FLAG.exceptions) !== 0;
  }

  isSegment(i) {
    return this.kind[i] === KIND.segment || this.kind[i] === KIND.inferred;
  }

  hasChildren(i) {
    return this.end[i] > i + 1;
  }

  /** µs; null while in progress. */
  durationOf(i) {
    return this.isOpen(i) ? null : this.stop[i] - this.start[i];
  }

  /** Children in the order in which they began; of -1, the roots. */
  *children(i) {
    const last = i < 0 ? this.count : this.end[i];
    for (let child = i + 1; child < last; child = this.end[child]) yield child;
  }
}

/** Returns the index of each entity's parent, or -1. */
function parents(depth) {
  const found = new Int32Array(depth.length).fill(-1);
  /** @type {number[]} */
  const above = [];
  for (let i = 0; i < depth.length; i += 1) {
    above.length = depth[i];
    if (depth[i] > 0) found[i] = above[depth[i] - 1] ?? -1;
    above[depth[i]] = i;
  }
  return found;
}
