//! A trace as columns: one number per entity and property, in pre-order, so that 100,000 entities cost little.

/** Kinds of entities, as the program numbers them. */
export const KIND = { segment: 0, subsegment: 1, remote: 2, aws: 3, sql: 4, inferred: 5 };

const FLAG = { fault: 1, error: 2, throttle: 4, open: 8, orphan: 16, exceptions: 32 };

/** @typedef {{ row: number, start: number, end: number }} Stretch µs from the beginning of the trace */

export class TraceModel {
  /** @param {any} response of `GET /api/traces/ID` */
  constructor(response) {
    const { entities, names, skews = [], critical = [] } = response;
    this.id = response.id;
    /** µs since the epoch */
    this.begin = response.start;
    this.revision = response.revision;
    this.documents = response.documents;
    /** @type {string[]} */
    this.names = names;
    /** @type {string[]} */
    this.ids = entities.id;
    this.count = this.ids.length;
    this.depth = Uint32Array.from(entities.depth);
    /** Index after the last descendant. */
    this.end = Uint32Array.from(entities.end);
    /** µs from the beginning of the trace. */
    this.start = Float64Array.from(entities.start);
    this.flags = Uint32Array.from(entities.flags);
    this.kind = Uint8Array.from(entities.kind);
    this.signature = Uint32Array.from(entities.signature);
    this.status = Uint16Array.from(entities.status);
    this.nameIndex = Uint32Array.from(entities.name);
    this.actionIndex = Int32Array.from(entities.action);
    this.segmentIndex = Int32Array.from(entities.segment);
    const durations = Float64Array.from(entities.duration);
    const ends = durations.map((duration, i) => this.start[i] + Math.max(0, duration));
    /** µs; never 0, so that shares can be computed. */
    this.duration = ends.reduce((most, end) => Math.max(most, end), Math.max(1, response.duration));
    /** µs from the beginning of the trace; what is in progress ends with the trace. */
    this.stop = durations.map((duration, i) => (duration < 0 ? this.duration : ends[i]));
    this.parent = parents(this.depth);
    /** @type {Map<number, number>} segments that were moved, with µs */
    this.skews = new Map(skews);
    /** @type {Stretch[]} what the response waited for, in the order of time */
    this.critical = critical.map(([row, start, end]) => ({ row, start, end }));
    /** @type {Map<string, number> | null} */
    this.byId = null;
  }

  /** The rows by their ids. The timeline is shown without them. */
  get indexOf() {
    this.byId ??= new Map(this.ids.map((id, i) => [id, i]));
    return this.byId;
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
