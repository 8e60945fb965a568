//! Sampling: the rules, how they are used, and what they would decide.

import { call, request } from "../api.js";
import { h, redraw, replace } from "../dom.js";
import * as format from "../format.js";
import { icon } from "../icons.js";
import { bindKeys } from "../keys.js";
import { onLive } from "../live.js";
import { toast } from "../popup.js";
import { navigate } from "../router.js";
import { conditions, decide, inOrder } from "./decide.js";
import { editRule } from "./edit.js";

const REFRESH = 2000;

/** @returns {import("../app.js").Page} */
export function open() {
  /** @type {import("./decide.js").Rule[] | null} */
  let rules = null;
  /** @type {Map<string, any>} the last window of each rule */
  let usage = new Map();
  /** @type {any[]} */
  let clients = [];
  let opened = "";
  let closed = false;

  const table = h("div", { class: "table-scroll", tabIndex: 0, role: "region", "aria-label": "Rules" });
  const asked = Object.fromEntries(
    [
      ["method", "Method", "GET", 8],
      ["host", "Host", "shop.example.com", 18],
      ["path", "Path", "/checkout", 18],
      ["service", "Service", "shop", 12],
      ["type", "Type", "", 14],
    ].map(([name, title, value, size]) => [name, { title, input: /** @type {HTMLInputElement} */ (h("input", { class: "input", value, size, oninput: drawVerdict, spellcheck: "false" })) }]),
  );
  const verdict = h("ol", { class: "verdict", "aria-live": "polite" });
  const element = h(
    "div",
    { class: "page scrolls" },
    h(
      "div",
      { class: "column wide" },
      h(
        "div",
        { class: "title-line" },
        h("div", {}, h("h1", { class: "page-title" }, "Sampling"), h("p", { class: "page-lead" }, "The rules that SDKs fetch from here. For each request, the first rule that matches decides: requests within the reservoir are always sampled, of the others the fixed rate.")),
        h("button", { class: "button primary", onclick: () => edit(null) }, icon("plus", 14), "Add a rule"),
      ),
      table,
      h(
        "section",
        {},
        h("h2", { class: "section-title" }, "What would be decided?"),
        h(
          "div",
          { class: "card pad" },
          h("div", { class: "question" }, Object.values(asked).map(({ title, input }) => h("label", {}, h("span", {}, title), input))),
          verdict,
        ),
      ),
    ),
  );
  bindKeys("Sampling", [{ keys: ["a"], title: "Add a rule", run: () => edit(null) }]);

  async function load() {
    try {
      const [records, summaries, users] = await Promise.all([call("GetSamplingRules"), call("SamplingStatisticSummaries").catch(() => null), request("/api/sampling").catch(() => null)]);
      if (closed) return;
      rules = inOrder(records.SamplingRuleRecords.map(({ SamplingRule: rule }) => rule));
      usage = lastWindows(summaries?.SamplingStatisticSummaries ?? []);
      clients = users?.clients ?? [];
      draw();
      drawVerdict();
    } catch (error) {
      if (!closed) toast(error.message, { action: "Try again", run: load, seconds: 8 });
    }
  }

  function draw() {
    const heads = [["Priority", "num"], ["Rule", ""], ["Matches", ""], ["Reservoir", "num"], ["Rate", "num"], ["Asked", "num"], ["Sampled", "num"], ["Borrowed", "num"], ["Clients", "num"], ["", ""]];
    const body = rules ? rules.map(row) : Array.from({ length: 3 }, () => h("tr", {}, heads.map(() => h("td", {}, h("span", { class: "skeleton" }, "\u00a0".repeat(8))))));
    redraw(table, h("table", { class: "table rules" }, h("thead", {}, h("tr", {}, heads.map(([title, kind]) => h("th", { class: kind, scope: "col", title: ["Asked", "Sampled", "Borrowed"].includes(title) ? "in the last window of ten seconds" : null }, title || h("span", { class: "visually-hidden" }, "Actions"))))), h("tbody", {}, body)));
  }

  function row(rule) {
    const name = rule.RuleName;
    const own = clients.filter((client) => client.rule === name);
    const used = usage.get(name);
    const found = conditions(rule);
    const isOpen = opened === name;
    return [
      h(
        "tr",
        { "data-open": isOpen },
        h("td", { class: "num faint" }, name === "Default" ? "last" : rule.Priority),
        h("td", {}, h("a", { href: isOpen ? "/sampling" : `/sampling/${encodeURIComponent(name)}`, class: "rule-name", "data-key": `open ${name}`, "aria-expanded": String(isOpen) }, format.plain(name, 60))),
        h("td", {}, found.length ? h("span", { class: "conditions" }, found.map(({ name, pattern }) => h("span", { class: "tag" }, h("span", { class: "faint" }, format.plain(name, 30)), h("code", {}, format.plain(pattern, 80))))) : h("span", { class: "faint" }, "every request")),
        h("td", { class: "num" }, rule.ReservoirSize, h("span", { class: "faint" }, " /s")),
        h("td", { class: "num" }, format.percent(rule.FixedRate)),
        ["RequestCount", "SampledCount", "BorrowCount"].map((member) => h("td", { class: "num" }, used ? format.count(used[member]) : h("span", { class: "faint" }, "–"))),
        h("td", { class: "num" }, own.length || h("span", { class: "faint" }, "–")),
        h(
          "td",
          { class: "actions" },
          h("button", { class: "icon-button small", "aria-label": `Edit ${format.plain(name, 60)}`, title: "Edit", "data-key": `edit ${name}`, onclick: () => edit(rule) }, icon("edit", 14)),
          name !== "Default" && h("button", { class: "icon-button small", "aria-label": `Delete ${format.plain(name, 60)}`, title: "Delete", "data-key": `delete ${name}`, onclick: () => remove(rule) }, icon("trash", 14)),
        ),
      ),
      isOpen && h("tr", { class: "detail" }, h("td", { colspan: "10" }, clientList(own))),
    ];
  }

  function clientList(own) {
    if (!own.length) return h("p", { class: "muted" }, "No SDK has reported on this rule. SDKs report every ten seconds, once a request has matched.");
    return h(
      "table",
      { class: "table inner" },
      h("thead", {}, h("tr", {}, ["Client", "Quota", "Rate", "Asked", "Sampled", "Borrowed", "Until"].map((title, i) => h("th", { scope: "col", class: i ? "num" : null }, title)))),
      h(
        "tbody",
        {},
        own.map((client) =>
          h(
            "tr",
            {},
            h("td", {}, h("code", {}, format.plain(client.client, 40))),
            h("td", { class: "num" }, client.quota ?? "–", h("span", { class: "faint" }, " /s")),
            h("td", { class: "num" }, format.percent(client.rate)),
            [client.requests, client.sampled, client.borrowed].map((value) => h("td", { class: "num" }, format.count(value))),
            h("td", { class: "num" }, client.until ? format.clock(client.until) : "–"),
          ),
        ),
      ),
    );
  }

  function drawVerdict() {
    if (!rules) return;
    const question = /** @type {any} */ (Object.fromEntries(Object.entries(asked).map(([name, { input }]) => [name, input.value.trim()])));
    const verdicts = decide(rules, question);
    const last = verdicts.at(-1);
    replace(
      verdict,
      verdicts.map(({ rule, reason }) =>
        h("li", { class: reason === null ? "match" : "no" }, h("span", { class: "verdict-sign", "aria-hidden": "true" }, reason === null ? "✓" : "✕"), h("strong", {}, format.plain(rule.RuleName, 60)), h("span", {}, reason === null ? `decides: ${rule.ReservoirSize} per second, and ${format.percent(rule.FixedRate)} of the rest` : format.plain(reason, 300))),
      ),
      last?.reason !== null && h("li", { class: "no" }, "No rule matches: the SDK uses its local rules."),
    );
  }

  function edit(rule) {
    editRule(rule, async (changes) => {
      if (rule) await call("UpdateSamplingRule", { SamplingRuleUpdate: { RuleName: rule.RuleName, ...changes } });
      else await call("CreateSamplingRule", { SamplingRule: { ...changes, Version: 1 } });
      toast(rule ? "The rule is changed. SDKs fetch it with their next report." : "The rule is added. SDKs fetch it with their next report.");
      await load();
    });
  }

  async function remove(rule) {
    try {
      const { SamplingRuleRecord: record } = await call("DeleteSamplingRule", { RuleName: rule.RuleName });
      const undo = async () => {
        const { RuleARN: _, ...again } = record.SamplingRule;
        await call("CreateSamplingRule", { SamplingRule: { ...again, Version: 1 } }).catch((error) => toast(error.message));
        await load();
      };
      toast(`${format.plain(rule.RuleName, 40)} is deleted`, { action: "Undo", run: undo, seconds: 10 });
      if (opened === rule.RuleName) navigate("/sampling");
      await load();
    } catch (error) {
      toast(error.message, { seconds: 6 });
    }
  }

  // An edit by the API or in the file of rules.
  const stops = [onLive("rules", () => void load()), onLive("resumed", () => void load())];
  const timer = setInterval(() => document.hidden || document.querySelector("dialog[open]") || void load(), REFRESH);
  draw();
  void load();

  return {
    element,
    title: "Sampling",
    update({ path }) {
      opened = path.rule ?? "";
      draw();
    },
    close() {
      closed = true;
      stops.forEach((stop) => stop());
      clearInterval(timer);
      bindKeys("Sampling", []);
    },
  };
}

/** Returns the newest window of each rule. */
function lastWindows(summaries) {
  const found = new Map();
  for (const summary of summaries) {
    const known = found.get(summary.RuleName);
    if (!known || summary.Timestamp > known.Timestamp) found.set(summary.RuleName, summary);
  }
  return found;
}
