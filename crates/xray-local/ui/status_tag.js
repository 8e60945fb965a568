//! The outcome of a request as sign, word and colour; never as colour alone.

import { h } from "./dom.js";

/** @typedef {{ kind: "fault" | "error" | "throttle" | "open" | "ok", sign: string, word: string }} Outcome */

/**
 * Returns the outcome of flags: the most severe one.
 * @param {{ fault: boolean, throttle: boolean, error: boolean, open: boolean }} flags
 * @returns {Outcome}
 */
export function outcome(flags) {
  if (flags.fault) return { kind: "fault", sign: "✖", word: "fault" };
  if (flags.throttle) return { kind: "throttle", sign: "◆", word: "throttle" };
  if (flags.error) return { kind: "error", sign: "▲", word: "error" };
  if (flags.open) return { kind: "open", sign: "◐", word: "in progress" };
  return { kind: "ok", sign: "", word: "ok" };
}

/** Makes the tag of an outcome, with the HTTP status if there is one. */
export function statusTag(flags, status) {
  const { kind, sign, word } = outcome(flags);
  const text = [sign, status || "", kind === "ok" && status ? "" : word].filter(Boolean).join(" ");
  return h("span", { class: `tag ${kind}` }, text);
}
