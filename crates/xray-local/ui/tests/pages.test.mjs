import assert from "node:assert/strict";
import test from "node:test";

import { align, merge } from "../compare/align.js";
import { summarize } from "../compare/sets.js";
import { Losses } from "../losses.js";
import { foldLarge, fromServices, fromTrace, quantile } from "../map/graph.js";
import { readAttributes, writeAttributes } from "../sampling/attributes.js";
import { conditions, decide, inOrder, wildcard } from "../sampling/decide.js";
import { makeTrace } from "./make_trace.mjs";

test("align: rows of both traces, and those of one only", () => {
  const trace = (item, extra) => makeTrace({ name: "shop", at: [0, 100], children: [{ name: "get", at: [0, 10], kind: 2, action: `GET http://stock/items/${item}` }, ...extra, { name: "render", at: [80, 90] }] });
  const rows = align(trace(7, []), trace(812, [{ name: "audit", at: [20, 30] }]));
  assert.deepEqual(
    rows.map(({ depth, name, a, b }) => [depth, name, a?.rows.length ?? 0, b?.rows.length ?? 0]),
    [[0, "shop", 1, 1], [1, "get", 1, 1], [1, "audit", 0, 1], [1, "render", 1, 1]],
  );
});

test("align: repetitions are joined", () => {
  const trace = (count) => makeTrace({ name: "shop", at: [0, 100], children: Array.from({ length: count }, (_, i) => ({ name: "db", at: [i, i + 1], children: [{ name: "row", at: [i, i + 1] }] })) });
  const rows = align(trace(2), trace(5));
  assert.deepEqual(rows.map(({ name, a, b }) => [name, a.rows.length, b.rows.length, b.total]), [["shop", 1, 1, 100_000], ["db", 2, 5, 5_000], ["row", 2, 5, 5_000]]);
});

test("merge: keeps both orders where they agree", () => {
  assert.deepEqual(merge(["a", "b", "c"], ["a", "x", "c"]), ["a", "b", "x", "c"]);
  assert.deepEqual(merge(["a", "b"], ["b", "a"]).sort(), ["a", "b"]);
  assert.deepEqual(merge([], ["a"]), ["a"]);
});

test("sets: medians and shares from the facets of a list", () => {
  const set = summarize({ matched: 4, facets: { latency: [[1000, 3], [100_000, 1]], status: { "2xx": 3, "5xx": 1 }, service: { a: 4, b: 1 } } });
  assert.equal(Math.round(set.p50), 1122);
  assert.deepEqual([set.count, set.faults, set.errors, set.services], [4, 0.25, 0, 2]);
});

test("graph: segments, calls without a segment, and clients", () => {
  const trace = makeTrace({
    name: "shop",
    at: [0, 100],
    children: [
      { name: "stock", at: [10, 60], kind: 2, children: [{ name: "stock", at: [12, 58], kind: 0, flags: 1 }] },
      { name: "S3", at: [70, 80], kind: 3 },
      { name: "db", at: [81, 82], kind: 4 },
    ],
  });
  const { nodes, edges } = fromTrace(trace);
  assert.deepEqual(nodes.map(({ name, type, root }) => [name, type, root]), [["shop", "", true], ["shop", "client", false], ["stock", "", false], ["S3", "AWS::S3", false], ["db", "Database::SQL", false]]);
  const name = (id) => nodes.find((node) => node.id === id).name;
  assert.deepEqual(edges.map(({ from, to, statistics }) => [name(from), name(to), statistics.total]), [["shop", "shop", 100_000], ["shop", "stock", 50_000], ["shop", "S3", 10_000], ["shop", "db", 1_000]]);
  assert.equal(nodes[2].statistics.fault, 1);
});

test("graph: the service graph of the API, with nodes that have no statistics", () => {
  const { nodes, edges } = fromServices([
    { ReferenceId: 0, Name: "shop", Type: "client", Edges: [{ ReferenceId: 1, SummaryStatistics: { TotalCount: 2, ErrorStatistics: { OtherCount: 1, ThrottleCount: 0 }, FaultStatistics: { TotalCount: 0 }, TotalResponseTime: 0.5 }, ResponseTimeHistogram: [{ Value: 0.3, Count: 1 }, { Value: 0.2, Count: 1 }] }, { ReferenceId: 99 }] },
    { ReferenceId: 1, Name: "shop", Edges: [] },
  ]);
  assert.equal(nodes[0].statistics, null);
  assert.equal(edges.length, 1);
  assert.deepEqual([edges[0].statistics.error, quantile(edges[0].statistics.histogram, 0.5)], [1, 200_000]);
  assert.equal(quantile([], 0.5), null);
});

test("graph: requests per minute are not extrapolated from less than a minute", () => {
  const service = (StartTime, EndTime) => ({ ReferenceId: StartTime, StartTime, EndTime, Edges: [] });
  assert.equal(fromServices([service(1000, 1030), service(1010, 1300)]).minutes, 5);
  assert.equal(fromServices([service(1000, 1002)]).minutes, 1);
  assert.equal(fromServices([]).minutes, 1);
  assert.equal(fromTrace(makeTrace({ name: "shop", at: [0, 1] })).minutes, null);
});

test("graph: more than 300 services are joined by type", () => {
  const statistics = () => ({ count: 1, error: 0, throttle: 0, fault: 0, total: 1, histogram: [[1, 1]] });
  const nodes = Array.from({ length: 500 }, (_, i) => ({ id: String(i), name: `n${i}`, type: i < 400 ? "remote" : "", root: false, statistics: statistics() }));
  const edges = nodes.slice(1).map(({ id }) => ({ from: "499", to: id, statistics: statistics() }));
  const folded = foldLarge({ nodes, edges });
  assert.equal(folded.nodes.length, 101);
  assert.equal(folded.folded, 400);
  assert.equal(folded.edges.find(({ to }) => to.startsWith("folded")).statistics.count, 399);
  assert.equal(foldLarge({ nodes: nodes.slice(0, 10), edges: [] }).folded, 0);
});

const rule = (RuleName, Priority, more = {}) => ({ RuleName, Priority, FixedRate: 0.05, ReservoirSize: 1, ...more });

test("sampling: the first rule that matches decides", () => {
  const rules = [rule("Default", 1), rule("health", 20, { URLPath: "/health*" }), rule("checkout", 10, { HTTPMethod: "POST", URLPath: "/checkout" }), rule("tagged", 5, { Attributes: { tier: "gold" } })];
  const question = { service: "shop", type: "", host: "shop.example.com", method: "post", path: "/CHECKOUT" };
  assert.deepEqual(inOrder(rules).map(({ RuleName }) => RuleName), ["tagged", "checkout", "health", "Default"]);
  assert.deepEqual(decide(rules, question).map(({ rule, reason }) => [rule.RuleName, reason]), [["tagged", "it asks for the attribute tier = gold"], ["checkout", null]]);
  assert.equal(decide(rules, { ...question, method: "GET" }).at(-1).rule.RuleName, "Default");
  assert.deepEqual(conditions(rules[2]), [{ name: "method", pattern: "POST" }, { name: "path", pattern: "/checkout" }]);
});

test("sampling: wildcards", () => {
  for (const [pattern, text, expected] of [
    ["*", "", true],
    ["", "", true],
    ["", "a", false],
    ["a*c", "abbc", true],
    ["a*c", "abbd", false],
    ["a?c", "abc", true],
    ["a?c", "ac", false],
    ["*.example.com", "Shop.Example.com", true],
    ["**a", "bba", true],
    ["*a*b*c", "xaxbxbx", false],
  ]) {
    assert.equal(wildcard(pattern, text), expected, `${pattern} ${text}`);
  }
});

test("sampling: attributes are lines of text", () => {
  assert.deepEqual(readAttributes("tier = gold\n\n a=b = c "), { tier: "gold", a: "b = c" });
  assert.equal(writeAttributes({ tier: "gold", plan: "a=b" }), "tier = gold\nplan = a=b");
  assert.deepEqual(readAttributes(writeAttributes(undefined)), {});
  assert.deepEqual(Object.keys(readAttributes("__proto__ = x")), ["__proto__"]);
  for (const [text, message] of [["tier", /line 1 is not/], ["a = 1\n= 2", /line 2 is not/], ["a =", /line 1 is not/], ["a = 1\na = 2", /line 2 repeats the key a/]]) {
    assert.throws(() => readAttributes(text), message, text);
  }
});

const stats = (uptime, kernel, missingHeader = 0) => ({ uptime, lost: { kernel, queueFull: 0, notForwarded: 0 }, refused: { missingHeader, invalidHeader: 0, invalidDocument: 0 } });

test("losses: what grows between two moments, with times", () => {
  const losses = new Losses();
  const at = Date.parse("2026-11-28T10:00:00");
  assert.equal(losses.update(stats(1, 3), at), true);
  assert.equal(losses.update(stats(2, 3), at + 1000), false);
  losses.update(stats(3, 10), at + 2000);
  losses.update(stats(4, 12, 1), at + 4000);
  losses.update(stats(5, 13, 1), at + 60_000);
  assert.equal(losses.total, 14);
  assert.deepEqual(losses.lines(), [
    { when: "10:01:00", text: "1 dropped by the kernel" },
    { when: "10:00:04", text: "1 refused without the daemon's header" },
    { when: "10:00:02 – 10:00:04", text: "9 dropped by the kernel" },
    { when: "before 10:00:00", text: "3 dropped by the kernel" },
  ]);
});

test("losses: a program that was started again counts from 0", () => {
  const losses = new Losses();
  losses.update(stats(90, 5), 0);
  losses.update(stats(1, 2), 10_000);
  assert.equal(losses.total, 2);
  assert.deepEqual(losses.list.map(({ number, from }) => [number, from]), [[5, null], [2, null]]);
});
