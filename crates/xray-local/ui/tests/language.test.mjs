import assert from "node:assert/strict";
import test from "node:test";

import { complete } from "../filter/complete.js";
import { and, annotationTerm, isKeyword, quote, words } from "../filter/words.js";
import * as format from "../format.js";
import { filterAddress, readRoute, redirect, traceAddress } from "../routes.js";
import { chooseSlot } from "../service_color.js";

const url = (address) => new URL(address, "http://localhost:2000");

test("routes: each address has its page", () => {
  for (const [address, page, path] of [
    ["/traces?filter=fault", "traces", {}],
    ["/traces/1-5759e988-bd862e3fe1be46a994272793", "trace", { id: "1-5759e988-bd862e3fe1be46a994272793", tab: "timeline" }],
    ["/traces/1-2/documents", "trace", { id: "1-2", tab: "documents" }],
    ["/traces/1-2/elsewhere", "unknown", {}],
    ["/compare?a=1&b=2", "compare", {}],
    ["/service-map", "map", {}],
    ["/sampling/check%2Fout", "sampling", { rule: "check/out" }],
    ["/status", "status", {}],
    ["/nowhere", "unknown", {}],
    ["/sampling/%", "sampling", { rule: "%" }],
  ]) {
    const route = readRoute(url(address));
    assert.deepEqual([route.page, route.path], [page, path], address);
  }
});

test("routes: links of the console lead to the same pages here", () => {
  for (const [address, expected] of [
    ["/", "/traces"],
    ["/xray/home?region=eu-central-1#/traces/1-5759e988-bd862e3fe1be46a994272793", "/traces/1-5759e988-bd862e3fe1be46a994272793"],
    ["/xray/home#/traces?filter=service(%22shop%22)&timeRange=PT15M", "/traces?filter=service(%22shop%22)&timeRange=PT15M"],
    ["/xray/home#/service-map?timeRange=PT5M", "/service-map?timeRange=PT5M"],
    ["/cloudwatch/home?region=x#xray:traces/1-2", "/traces/1-2"],
    ["/xray/home", "/traces"],
    ["/traces", null],
    ["/status", null],
  ]) {
    assert.equal(redirect(url(address)), expected, address);
  }
  assert.equal(traceAddress("1-2", "raw"), "/traces/1-2/raw");
  assert.equal(filterAddress('user = "a&b"'), "/traces?filter=user+%3D+%22a%26b%22");
});

test("format: durations, numbers and shares", () => {
  for (const [micros, expected] of [
    [0, "0 ms"],
    [340, "340 µs"],
    [1_200, "1.2 ms"],
    [12_440, "12.4 ms"],
    [100_000, "100 ms"],
    [999_700, "1 s"],
    [4_120_000, "4.12 s"],
    [60_000_000, "1 min"],
    [200_000_000, "3 min 20 s"],
    [7_260_000_000, "2 h 1 min"],
    [-3_000, "−3 ms"],
    [null, "–"],
  ]) {
    assert.equal(format.duration(micros), expected, String(micros));
  }
  assert.deepEqual([1, 0.1, 0.055, 0.0004].map(format.percent), ["100 %", "10 %", "5.5 %", "< 0.1 %"]);
  assert.deepEqual([812, 1900, 64_000_000].map(format.bytes), ["812 B", "1.9 KB", "64 MB"]);
  assert.equal(format.plural(1, "trace"), "1 trace");
  assert.equal(format.iso(1e20), "an impossible time");
});

test("format: foreign text cannot hide or reorder anything", () => {
  assert.equal(format.plain("a\u202egnp.exe"), "a⟨202E⟩gnp.exe");
  assert.equal(format.plain("\u0000\u001b[31m"), "⟨0000⟩⟨001B⟩[31m");
  assert.equal(format.plain("x".repeat(400)).length, 301);
  assert.equal(format.plain(undefined), "");
  assert.equal(format.urlPath("http://shop.example.com/a?b=1#c"), "/a?b=1");
  assert.equal(format.urlPath("javascript:alert(1)"), "javascript:alert(1)");
});

test("words: an expression is split, with places", () => {
  const expression = 'service("sh\\"op") { fault } AND duration >= 0.5';
  assert.deepEqual(
    words(expression).map(({ kind, text }) => `${kind} ${text}`),
    ["word service", "other (", 'string "sh\\"op"', "other )", "other {", "word fault", "other }", "word AND", "word duration", "operator >=", "number 0.5"],
  );
  for (const { from, to, text } of words(expression)) assert.equal(expression.slice(from, to), text);
  assert.ok(isKeyword("responseTime") && isKeyword("annotation.tier") && !isKeyword("shop"));
});

test("words: conditions are joined without changing their meaning", () => {
  assert.equal(and("", "fault"), "fault");
  assert.equal(and("a = 1 OR b = 2", "fault"), "(a = 1 OR b = 2) AND fault");
  assert.equal(annotationTerm("tier", "gold"), 'annotation.tier = "gold"');
  assert.equal(annotationTerm("a.b", 12), "annotation[a.b] = 12");
  assert.equal(quote('a"b\\'), '"a\\"b\\\\"');
});

test("completion: fits what comes before the caret", () => {
  const vocabulary = { services: ["shop", "stock"], users: ["u-1"], urls: ["http://shop/"], annotations: new Map([["tier", ["gold", "silver"]]]) };
  const labels = (text) => complete(text, text.length, vocabulary).options.map(({ label }) => label);
  assert.ok(["service(…)", "fault", "duration", "annotation.tier"].every((label) => labels("").includes(label)));
  assert.deepEqual(labels('service("s'), ["shop", "stock"]);
  assert.deepEqual(labels("annotation.tier = "), ["gold", "silver"]);
  assert.deepEqual(labels("annotation.tier = g"), ["gold"]);
  assert.deepEqual(labels("fault "), ["AND", "OR"]);
  assert.ok(labels("duration ").includes(">="));
  assert.ok(labels("fault AND du").includes("duration"));
  const { from, to, options } = complete("fault AND du", 12, vocabulary);
  assert.deepEqual([from, to, options[0].text], [10, 12, "duration "]);
});

test("colours: services differ as long as there are colours", () => {
  const taken = [];
  for (const name of ["a", "b", "c", "d", "e", "f", "g", "h"]) taken.push(chooseSlot(name, taken));
  assert.equal(new Set(taken).size, 8);
  assert.equal(chooseSlot("shop", []), chooseSlot("shop", []));
});
