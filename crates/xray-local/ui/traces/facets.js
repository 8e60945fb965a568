//! What the matching traces have in common: counts that add a condition to the filter, or remove it.

import { h, redraw, replace } from "../dom.js";
import * as format from "../format.js";
import { and, annotationTerm, quote } from "../filter/words.js";
import { serviceColor } from "../service_color.js";

const SHOWN = 8;

// Objects of JSON have no order.
const byCount = (counts) => Object.entries(counts).sort((a, b) => b[1] - a[1]);

/** @typedef {{ label: string, count: number, term: string, color?: string, sign?: string }} Item */

const OUTCOMES = [
  { key: "fault", label: "Fault", term: "fault", sign: "✖" },
  { key: "error", label: "Error", term: "error", sign: "▲" },
  { key: "throttle", label: "Throttled", term: "throttle", sign: "◆" },
  { key: "partial", label: "In progress", term: "partial", sign: "◐" },
];

/** The classes of HTTP statuses, as the program counts them. */
const STATUSES = [
  ["2xx", "http.status >= 200 AND http.status < 300"],
  ["3xx", "http.status >= 300 AND http.status < 400"],
  ["4xx", "http.status >= 400 AND http.status < 500 AND http.status != 429"],
  ["429", "http.status = 429"],
  ["5xx", "http.status >= 500"],
];

/**
 * Makes the column of facets.
 * @param {(filter: string) => void} onFilter
 */
export function facetColumn(onFilter) {
  const element = h("aside", { class: "facets", "aria-label": "Facets" });
  const opened = new Set();
  let state = { facets: /** @type {any} */ (null), filter: "" };

  function toggle(term) {
    const { filter } = state;
    onFilter(hasTerm(filter, term) ? withoutTerm(filter, term) : and(filter, term));
  }

  function section(title, items, kind) {
    if (!items.length) return null;
    const most = Math.max(1, ...items.map((item) => item.count));
    const all = opened.has(title);
    const entry = (item) =>
      h(
        "li",
        {},
        h(
          "button",
          {
            class: `facet ${kind} ${item.kind ?? ""}`,
            "aria-pressed": String(hasTerm(state.filter, item.term)),
            title: item.term,
            "data-key": item.term,
            "--share": item.count / most,
            onclick: () => toggle(item.term),
          },
          item.color && h("span", { class: "dot", "--c": item.color }),
          item.sign && h("span", { class: "sign", "aria-hidden": "true" }, item.sign),
          h("span", { class: "clip" }, format.plain(item.label, 120)),
          h("span", { class: "count" }, format.count(item.count)),
        ),
      );
    return h(
      "section",
      {},
      h("h2", {}, title),
      h("ul", {}, items.slice(0, all ? 200 : SHOWN).map(entry)),
      items.length > SHOWN &&
        h(
          "button",
          {
            class: "more",
            "data-key": `more ${title}`,
            onclick: () => {
              if (all) opened.delete(title);
              else opened.add(title);
              draw();
            },
          },
          all ? "Show fewer" : `Show ${items.length - SHOWN} more`,
        ),
    );
  }

  function draw() {
    const { facets } = state;
    if (!facets) {
      replace(element, Array.from({ length: 12 }, (_, i) => h("div", { class: "skeleton facet-skeleton", "--w": `${55 + ((i * 37) % 40)}%` }, "\u00a0")));
      return;
    }
    const outcomes = OUTCOMES.filter(({ key }) => facets.outcome?.[key] > 0).map((item) => ({ ...item, kind: item.key, count: facets.outcome[item.key] }));
    const statuses = STATUSES.filter(([label]) => facets.status[label] > 0).map(([label, term]) => ({ label, term, count: facets.status[label] }));
    const items = (counts, item) => byCount(counts).map(([label, count]) => ({ label, count, ...item(label) }));
    redraw(
      element,
      section("Outcome", outcomes, "status"),
      section("HTTP status", statuses, ""),
      section("Services", items(facets.service, (name) => ({ term: `service(${quote(name)})`, color: serviceColor(name) })), ""),
      section("Users", items(facets.user, (user) => ({ term: `user = ${quote(user)}` })), ""),
      section("URLs", items(facets.url, (url) => ({ term: `http.url = ${quote(url)}` })), ""),
      Object.entries(facets.annotation).map(([key, values]) => section(key, items(values, (json) => ({ label: String(JSON.parse(json)), term: annotationTerm(key, JSON.parse(json)) })), "annotation")),
    );
  }

  return {
    element,
    show(facets, filter) {
      state = { facets, filter };
      draw();
    },
  };
}

/** Whether a filter has all conditions of this term. */
export function hasTerm(filter, term) {
  const present = conditions(filter);
  return conditions(term).every((condition) => present.includes(condition));
}

/** Removes the conditions of a term. */
export function withoutTerm(filter, term) {
  const removed = conditions(term);
  return conditions(filter)
    .filter((condition) => !removed.includes(condition))
    .join(" AND ");
}

/** Splits at each AND outside of quotes, braces and parentheses. */
function conditions(filter) {
  const found = [];
  let depth = 0;
  let quoted = "";
  let from = 0;
  for (let i = 0; i < filter.length; i += 1) {
    const char = filter[i];
    if (quoted) {
      if (char === "\\") i += 1;
      else if (char === quoted) quoted = "";
    } else if (char === '"' || char === "'") quoted = char;
    else if ("({[".includes(char)) depth += 1;
    else if (")}]".includes(char)) depth -= 1;
    else if (depth === 0 && /^ and /i.test(filter.slice(i, i + 5))) {
      found.push(filter.slice(from, i).trim());
      from = i + 5;
      i += 4;
    }
  }
  found.push(filter.slice(from).trim());
  return found;
}
