import assert from "node:assert/strict";
import test from "node:test";

import { asFilter, asHtml, asMarkdown, asNodeTest, asPythonTest, asRustTest, asText } from "../trace/copy.js";
import { parseDocuments, receivedEntities } from "../trace/entities.js";
import { Finder } from "../trace/find.js";
import { ownTime, ownTimes } from "../trace/own_time.js";
import { problems } from "../trace/refuse.js";
import { repeats } from "../trace/repeats.js";
import { ticks } from "../trace/time_axis.js";
import { untraced } from "../trace/untraced.js";
import { visibleRows, withAncestors } from "../trace/visible_rows.js";
import { makeTrace } from "./make_trace.mjs";

const shop = () =>
  makeTrace({
    name: "shop",
    at: [0, 100],
    action: "POST http://shop/checkout",
    status: 500,
    flags: 1,
    children: [
      { name: "load", at: [10, 40] },
      { name: "call", at: [30, 90], kind: 2, children: [{ name: "stock", at: [35, 80], kind: 0 }] },
    ],
  });

test("model: parents, services, ends and rows by id", () => {
  const trace = shop();
  assert.deepEqual([trace.indexOf.get(trace.ids[2]), trace.indexOf.get("none")], [2, undefined]);
  assert.deepEqual([...trace.parent], [-1, 0, 0, 2]);
  assert.deepEqual([0, 1, 3].map((row) => trace.service(row)), ["shop", "shop", "stock"]);
  assert.deepEqual([...trace.children(-1)], [0]);
  assert.deepEqual([...trace.children(0)], [1, 2]);
  const open = makeTrace({ at: [0, 100], children: [{ at: [20, null] }] });
  assert.equal(open.stop[1], 100_000, "what is in progress ends with the trace");
  assert.equal(open.durationOf(1), null);
});

test("repeats: calls one after the other are N+1, at the same time fan-out", () => {
  const calls = (count, start, length, step) => Array.from({ length: count }, (_, i) => ({ name: "db", at: [start + i * step, start + i * step + length], kind: 4, action: "SELECT 1" }));
  const of = (children) => repeats(makeTrace({ at: [0, 1000], children })).map(({ finding, rows, folded }) => [finding, rows.length, folded.size]);
  assert.deepEqual(of(calls(4, 0, 10, 20)), []);
  assert.deepEqual(of(calls(5, 0, 10, 20)), [["N+1", 5, 0]]);
  assert.deepEqual(of(calls(12, 0, 10, 20)), [["N+1", 12, 12]]);
  assert.deepEqual(of(calls(12, 0, 30, 20)), [["fan-out", 12, 12]]);
  assert.deepEqual(of(calls(12, 0, 0.5, 1)), [[null, 12, 12]], "less than 1 % of the trace is no finding");
});

test("repeats: a member with far more below it stays a row of its own", () => {
  const children = Array.from({ length: 12 }, (_, i) => ({ name: "call", at: [i * 20, i * 20 + 10], children: i === 5 ? Array.from({ length: 9 }, (_, j) => ({ name: `x${j}`, at: [100, 101] })) : [] }));
  const [group] = repeats(makeTrace({ at: [0, 1000], children }));
  assert.equal(group.rows.length, 12);
  assert.equal(group.folded.size, 11);
});

test("untraced: stretches without a child, of at least 10 ms and 5 % of the trace", () => {
  const gaps = (trace) => untraced(trace).map(({ row, start, end }) => [row, start / 1000, end / 1000]);
  assert.deepEqual(gaps(makeTrace({ at: [0, 100], children: [{ at: [0, 30] }, { at: [50, 100] }] })), [[0, 30, 50]]);
  assert.deepEqual(gaps(makeTrace({ at: [0, 100], children: [{ at: [20, 70] }, { at: [30, 40] }] })), [[0, 0, 20], [0, 70, 100]]);
  assert.deepEqual(gaps(makeTrace({ at: [0, 100] })), [], "not for leaves");
  assert.deepEqual(gaps(makeTrace({ at: [0, 1000], children: [{ at: [0, 960] }] })), [], "less than 5 %");
});

test("own time: the duration without the union of the children", () => {
  const trace = makeTrace({ at: [0, 100], children: [{ name: "a", at: [10, 40] }, { name: "a", at: [30, 60] }, { name: "b", at: [90, 120] }] });
  assert.equal(ownTime(trace, 0), 40_000);
  const [first, second] = ownTimes(trace);
  assert.deepEqual([trace.name(first.row), first.own, first.count], ["a", 60_000, 2]);
  assert.deepEqual([trace.name(second.row), second.own], ["work", 40_000]);
});

test("visible rows: folded groups, closed entities, matches with what is above them", () => {
  const children = Array.from({ length: 12 }, (_, i) => ({ name: "db", at: [i * 20, i * 20 + 10], children: [{ name: "row", at: [i * 20, i * 20 + 1] }] }));
  const trace = makeTrace({ at: [0, 1000], children });
  const groups = repeats(trace);
  const rows = (view) => visibleRows(trace, groups, { closed: new Set(), open: new Set(), fold: true, only: null, ...view }).map(({ row, group, depth }) => (group ? `group ${depth}` : `${row} ${depth}`));
  assert.deepEqual(rows({}), ["0 0", "group 1"]);
  assert.deepEqual(rows({ open: new Set(groups) }).slice(0, 5), ["0 0", "group 1", "1 2", "2 3", "3 2"]);
  assert.equal(rows({ fold: false }).length, trace.count);
  assert.deepEqual(rows({ closed: new Set([0]) }), ["0 0"]);
  assert.deepEqual(rows({ only: withAncestors(trace, [4]) }), ["0 0", "3 1", "4 2"]);
});

test("entities: the final version replaces one in progress, whatever the order", () => {
  const open = { id: "a", name: "a", in_progress: true };
  const done = { id: "a", name: "a", end_time: 2, subsegments: [{ id: "b", name: "b" }] };
  for (const documents of [[open, done], [done, open]]) {
    const found = receivedEntities(documents);
    assert.equal(found.get("a").json.end_time, 2);
    assert.equal(found.get("b").depth, 1);
    assert.ok(!("subsegments" in found.get("a").json));
  }
  assert.deepEqual(parseDocuments([{ text: "{}" }, { text: "{" }]), [{}, null]);
});

test("find: all fields, with quotes, in any case", () => {
  const trace = shop();
  const finder = new Finder(trace);
  assert.deepEqual(finder.find("LOAD"), [1]);
  assert.deepEqual(finder.find('say "hi"'), []);
  finder.index(new Map([[trace.ids[1], { json: { name: "load", metadata: { note: 'say "Hi"' } }, document: 0, depth: 0 }]]));
  assert.deepEqual(finder.find('say "hi"'), [1]);
  assert.deepEqual(finder.find("  "), []);
});

test("problems: what X-Ray would refuse or cut", () => {
  const now = Date.parse("2016-12-01T18:05:00Z");
  const id = "1-58406520-a006649127e371903a2de979";
  const check = (json, { sizes = [100], at = now } = {}) => problems(id, sizes, new Map([["e", { json: { id: "e", name: "shop", ...json }, document: 0, depth: json.depth ?? 0 }]]), at).map(({ kind, text }) => `${kind}: ${text}`);
  assert.deepEqual(check({}), []);
  assert.deepEqual(check({ name: "größe 1/2" }), [], "letters of all languages are allowed");
  for (const [json, expected, options] of [
    [{ name: "a<b" }, /^refused: The name has characters/],
    [{ name: "" }, /^refused: The name is empty/],
    [{ name: "n".repeat(201) }, /^cut: The name has 201/],
    [{ start_time: 2, end_time: 1 }, /^refused: It ends before/],
    [{ parent_id: "f" }, /^missing: Its parent f/],
    [{ http: { request: { traced: true } } }, /^missing: The called service/],
    [{ annotations: { a: { b: 1 } } }, /^cut: The annotation a/],
    [{ annotations: { "a.b": 1 } }, /^cut: The annotation key a\.b/],
    [{ annotations: Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`k${i}`, i])) }, /^cut: The trace has 51 annotations/],
    [{ metadata: { "AWS.x": {} } }, /^refused: Metadata keys/],
    [{}, /^refused: Document 1 has 70,000 bytes/, { sizes: [70_000] }],
    [{}, /^refused: The trace id is 31 days old/, { at: now + 31.1 * 86_400_000 }],
    [{}, /^refused: The time in the trace id is in the future/, { at: now - 86_400_000 }],
  ]) {
    const found = check(json, options);
    assert.equal(found.length, 1, found.join("\n"));
    assert.match(found[0], expected);
  }
});

test("copy: text, Markdown, filter and tests", () => {
  const trace = shop();
  assert.equal(
    asText(trace),
    [
      "1-5759e988-bd862e3fe1be46a994272793  100 ms",
      "shop       ████████████████████████████████████████    100 ms  ✖ 500",
      "  load         ████████████                             30 ms",
      "  call                 ████████████████████████         60 ms",
      "    stock                ██████████████████             45 ms",
    ].join("\n"),
  );
  assert.match(asMarkdown(trace, "http://localhost:2000/traces/1"), /^\*\*shop\*\* POST http:\/\/shop\/checkout – 100 ms – \[1-5759e988/);
  assert.equal(asFilter(trace), 'service("shop") AND service("stock") AND http.method = "POST" AND http.url = "http://shop/checkout" AND fault');
  for (const made of [asRustTest(trace), asPythonTest(trace, "http://localhost:2000"), asNodeTest(trace, "http://localhost:2000")]) assert.match(made, /"    stock",/);
});

test("copy: an HTML file holds foreign text as text", () => {
  const html = asHtml(makeTrace({ name: '<script>alert("1")</script>', at: [0, 10], action: "<img src=x>" }));
  assert.ok(!/<script|<img/.test(html));
  assert.ok(html.includes("&#60;script&#62;alert(&#34;1&#34;)"));
});

test("ticks: round times, at most as many as asked for", () => {
  assert.deepEqual(ticks(0, 100_000), [0, 20_000, 40_000, 60_000, 80_000, 100_000]);
  assert.deepEqual(ticks(31, 47, 4), [35, 40, 45]);
  assert.ok(ticks(0, 1).length <= 7);
});
