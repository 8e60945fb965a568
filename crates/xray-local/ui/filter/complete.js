//! Completion of filter expressions: what can come next at the caret.

import { BOOLEANS, NUMBERS, TEXTS, quote, words } from "./words.js";

/**
 * @typedef {object} Vocabulary what the traces at hand contain
 * @property {string[]} services
 * @property {Map<string, any[]>} annotations values of each key
 * @property {string[]} users
 * @property {string[]} urls
 */

/** @typedef {{ text: string, label: string, hint: string }} Option `text` is inserted, and `‸` in it is where the caret goes */

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"];
const STATUSES = ["200", "201", "404", "429", "500", "502", "503"];
const TEXT_OPERATORS = ["=", "!=", "CONTAINS", "BEGINSWITH", "ENDSWITH"];
const NUMBER_OPERATORS = [">", ">=", "<", "<=", "=", "!="];
const HINTS = {
  fault: "server failures, 5xx",
  error: "client errors, 4xx",
  throttle: "429",
  ok: "no flag",
  partial: "in progress",
  duration: "seconds, whole trace",
  responsetime: "seconds, until the response",
};
const MAX_OPTIONS = 40;

/**
 * Returns the options at the caret and the part of the text that one of them replaces.
 * @param {string} text
 * @param {number} caret
 * @param {Vocabulary} vocabulary
 * @returns {{ from: number, to: number, options: Option[] }}
 */
export function complete(text, caret, vocabulary) {
  const before = words(text.slice(0, caret));
  const last = before.at(-1);
  const touching = last && last.to === caret && last.kind !== "operator" && last.kind !== "other" ? last : null;
  const typed = touching ? touching.text : "";
  const context = touching ? before.slice(0, -1) : before;
  const options = candidates(context, vocabulary);
  const wanted = typed.replace(/^["']/, "").toLowerCase();
  const matching = options.filter((option) => option.label.toLowerCase().includes(wanted) && option.text !== typed);
  const rank = (option) => (option.label.toLowerCase().startsWith(wanted) ? 0 : 1);
  matching.sort((a, b) => rank(a) - rank(b));
  return { from: touching ? touching.from : caret, to: caret, options: matching.slice(0, MAX_OPTIONS) };
}

/** @param {import("./words.js").Word[]} context the words before the one that is typed */
function candidates(context, vocabulary) {
  const at = (back) => context.at(-back)?.text.toLowerCase() ?? "";
  const last = context.at(-1);
  if (!last || ["and", "or", "(", "!", "{"].includes(at(1))) {
    if (at(1) === "(" && at(2) === "service") return names(vocabulary.services, "service", ")");
    if (at(1) === "(" && at(2) === "edge") return names(vocabulary.services, "caller", ", ‸)");
    return starts(vocabulary);
  }
  if (at(1) === "," && context.some((word) => word.text.toLowerCase() === "edge")) return names(vocabulary.services, "called", ")");
  const key = at(1);
  if (isValueOperator(key)) return values(at(2), context.at(-2)?.text ?? "", vocabulary);
  if (last.kind === "word" && NUMBERS.includes(key)) return NUMBER_OPERATORS.map((text) => option(text, text, "operator"));
  if (last.kind === "word" && (TEXTS.includes(key) || key.startsWith("annotation."))) {
    return [...TEXT_OPERATORS.map((text) => option(text, text, "operator")), ...joints()];
  }
  return joints();
}

const option = (text, label, hint) => ({ text, label, hint });
const joints = () => ["AND", "OR"].map((text) => option(`${text} `, text, "and then"));
const isValueOperator = (text) => ["=", "!=", "<", "<=", ">", ">=", "contains", "beginswith", "endswith"].includes(text);
const names = (list, hint, end) => list.map((name) => option(quote(name) + end, name, hint));

function starts(vocabulary) {
  return [
    option('service("‸")', "service(…)", "traces through a service"),
    ...BOOLEANS.map((text) => option(text, text, HINTS[text])),
    ...NUMBERS.map((text) => option(`${text} `, text, HINTS[text] ?? "number")),
    ...[...vocabulary.annotations.keys()].map((key) => {
      const term = /^\w+$/.test(key) ? `annotation.${key}` : `annotation[${key}]`;
      return option(`${term} = `, term, "annotation");
    }),
    ...TEXTS.map((text) => option(`${text} `, text, "text")),
    option('edge("‸", "")', "edge(…)", "calls from one service to another"),
    ...vocabulary.services.map((name) => option(`service(${quote(name)})`, name, "service")),
  ];
}

function values(key, exactKey, vocabulary) {
  const text = (list, hint) => list.map((value) => option(typeof value === "string" ? quote(value) : String(value), String(value), hint));
  if (key === "http.method") return text(METHODS, "method");
  if (key === "http.status") return STATUSES.map((status) => option(status, status, "status"));
  if (key === "duration" || key === "responsetime") return ["0.1", "0.5", "1", "5"].map((value) => option(value, value, "seconds"));
  if (key === "user") return text(vocabulary.users, "user");
  if (key === "http.url") return text(vocabulary.urls, "URL");
  if (key.startsWith("annotation.")) return text(vocabulary.annotations.get(exactKey.slice("annotation.".length)) ?? [], "value");
  if (BOOLEANS.includes(key)) return text([true, false], "value");
  return [];
}
