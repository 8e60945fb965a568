//! What the list shows before the first trace has arrived.

import { connectCommands } from "../connect.js";
import { h } from "../dom.js";

/** Says how to send the first trace. */
export function firstStart() {
  return h(
    "div",
    { class: "first-start" },
    h("div", { class: "waiting-bars", "aria-hidden": "true" }, h("i", {}), h("i", {}), h("i", {}), h("i", {})),
    h("h2", {}, "Waiting for the first trace"),
    h("p", { class: "muted" }, "Point a program with an X-Ray SDK at this address. Its traces appear here as soon as they arrive."),
    connectCommands(),
    h("p", { class: "faint" }, "Nothing leaves this machine, and no AWS account is needed."),
  );
}
