import assert from "node:assert/strict";
import test from "node:test";

import { readRows } from "../api.js";
import { latencyBuckets, timeBuckets } from "../traces/buckets.js";
import { hasTerm, withoutTerm } from "../traces/facets.js";
import { TraceRows } from "../traces/rows.js";
import { endsOf, localTime, readEnds } from "../time_range_text.js";
import { VirtualRows } from "../virtual.js";

const row = (id, start, more = {}) => ({ id, start, revision: 1, ...more });
const ids = (list) => list.rows.map(({ id }) => id);

test("rows: names and flags are read", () => {
  const [read] = readRows({ names: ["shop", "db"], rows: [{ id: "1", revision: 2, start: 1, duration: 5, response: 0, status: 0, flags: 8 | 64, method: null, url: null, name: 0, services: [0, 1], entities: 3, repeats: 0 }] });
  assert.deepEqual(read.services, ["shop", "db"]);
  assert.deepEqual([read.open, read.fault, read.anyFault, read.response, read.status], [true, false, true, null, null]);
});

test("rows: pages follow each other, and a trace is there once", () => {
  const list = new TraceRows();
  list.addPage({ rows: [row("c", 3), row("b", 2)], next: "2:b", matched: 3, scanned: 9 });
  list.addPage({ rows: [row("b", 2), row("a", 1)], next: null, matched: 3, scanned: 9 });
  assert.deepEqual(ids(list), ["c", "b", "a"]);
  assert.equal(list.next, null);
});

test("rows: new traces wait until they are released, known ones change in place", () => {
  const list = new TraceRows();
  list.addPage({ rows: [row("b", 2)], next: null, matched: 1, scanned: 1 });
  list.arrive([row("b", 2, { revision: 3 }), row("d", 4), row("c", 3)]);
  assert.deepEqual(ids(list), ["b"]);
  assert.equal(list.rows[0].revision, 3);
  list.arrive([row("b", 2, { revision: 2 })]);
  assert.equal(list.rows[0].revision, 3, "an older version changes nothing");
  assert.equal(list.release(), 2);
  assert.deepEqual(ids(list), ["d", "c", "b"]);
  list.arrive([row("a", 1)]);
  list.release();
  assert.deepEqual(ids(list), ["d", "c", "b", "a"], "a trace that began earlier is below");
});

test("rows: a change below the loaded rows is left to their page", () => {
  const list = new TraceRows();
  list.addPage({ rows: [row("c", 3), row("b", 2)], next: "2:b", matched: 3, scanned: 3 });
  list.arrive([row("a", 1, { revision: 2 }), row("d", 4)]);
  assert.deepEqual([...list.pending.keys()], ["d"]);
});

test("rows: a tab keeps a bounded number", () => {
  const list = new TraceRows();
  for (let batch = 0; batch < 30; batch += 1) {
    list.arrive(Array.from({ length: 1000 }, (_, i) => row(`${batch}-${i}`, batch * 1000 + i)));
    list.release();
  }
  assert.ok(list.rows.length <= 20_000);
  assert.equal(list.rows.length, list.byId.size);
  assert.equal(list.rows[0].id, "29-999");
});

test("buckets: response times on a scale without gaps", () => {
  const buckets = latencyBuckets([[1000, 12], [1258, 3], [0, 5]]);
  assert.equal(buckets.length, 40);
  assert.deepEqual([buckets[0].count, buckets[1].count, Math.round(buckets[0].from)], [12, 3, 1000]);
  assert.equal(latencyBuckets([[100, 1], [100_000_000, 1]]).length, 61);
});

test("buckets: minutes join to at most sixty bars", () => {
  const minute = 60e6;
  assert.deepEqual(timeBuckets([]), []);
  const few = timeBuckets([[10 * minute, 4, 1], [12 * minute, 2, 0]]);
  assert.equal(few.length, 15);
  assert.deepEqual([few[12].count, few[12].faults, few[14].count], [4, 1, 2]);
  const many = timeBuckets(Array.from({ length: 1000 }, (_, i) => [i * minute, 1, 0]));
  assert.ok(many.length <= 61);
  assert.equal(many.reduce((sum, { count }) => sum + count, 0), 1000);
  const impossible = timeBuckets([[0, 1, 0], [1e15, 5, 0]]);
  assert.equal(impossible.at(-1).count, 5, "an impossible clock does not hide the others");
});

test("facets: a term is found and removed whole", () => {
  const range = "http.status >= 400 AND http.status < 500";
  const filter = `service("a AND b") { fault AND ok } AND ${range}`;
  assert.ok(hasTerm(filter, range));
  assert.ok(hasTerm(filter, 'service("a AND b") { fault AND ok }'));
  assert.ok(!hasTerm(filter, "fault"));
  assert.equal(withoutTerm(filter, range), 'service("a AND b") { fault AND ok }');
  assert.equal(withoutTerm("fault", "fault"), "");
});

test("time range: the fields of the dialog become a range of the address", () => {
  const [from, to] = endsOf("2026-11-28T10:00:00.000Z~2026-11-28T10:30:00.000Z");
  assert.equal(readEnds(localTime(from), localTime(to)).range, "2026-11-28T10:00:00.000Z~2026-11-28T10:30:00.000Z");
  assert.deepEqual(endsOf("PT1H", 7_200_000), [3_600_000, 7_200_000]);
  assert.deepEqual(endsOf("P1D", 86_400_000), [0, 86_400_000]);
  assert.deepEqual(endsOf("", 900_000), [0, 900_000]);
  assert.match(readEnds("", "2026-11-28T10:00").error, /From/);
  assert.match(readEnds("2026-11-28T10:00", "").error, /To/);
  assert.match(readEnds("2026-11-28T10:00", "2026-11-28T09:00").error, /later/);
});

test("virtual rows: a row that moves keeps its element, and is drawn again only where it is now", () => {
  const drawn = [];
  globalThis.ResizeObserver = class { observe() {} disconnect() {} };
  globalThis.cancelAnimationFrame = () => {};
  const element = () => ({ style: { setProperty(_, value) { this.transform = value; } }, isConnected: true, remove() {} });
  let keys = ["a", "b", "c"];
  const viewport = { addEventListener() {}, scrollTop: 0, clientHeight: 100 };
  const rows = new VirtualRows(viewport, { offsetTop: 0, style: { setProperty() {} }, append() {} }, { rowHeight: 10, create: element, key: (i) => keys[i], render: (row, i) => drawn.push([row, keys[i]]) });
  rows.setCount(3);
  const before = new Map(drawn.map(([row, key]) => [key, row]));
  keys = ["x", "a", "b"];
  drawn.length = 0;
  rows.setCount(3);
  assert.deepEqual(drawn.map(([, key]) => key), ["x", "a", "b"]);
  assert.equal(drawn[1][0], before.get("a"));
  assert.equal(drawn[1][0].style.transform, "translateY(10px)");
  assert.equal(drawn[0][0], before.get("c"), "the element that is free is used again");
});
