//! How to connect programs: commands to copy, for each SDK.

import { h, replace } from "./dom.js";
import { icon } from "./icons.js";
import { copy } from "./popup.js";

const address = location.host;

const WAYS = [
  { title: "Any SDK", text: () => `export AWS_XRAY_DAEMON_ADDRESS=${address}` },
  { title: "Rust", text: () => `AWS_XRAY_DAEMON_ADDRESS=${address} cargo run` },
  { title: "Node.js", text: () => `AWS_XRAY_DAEMON_ADDRESS=${address} node app.js` },
  { title: "Python", text: () => `AWS_XRAY_DAEMON_ADDRESS=${address} python app.py` },
  { title: "Java", text: () => `AWS_XRAY_DAEMON_ADDRESS=${address} java -jar app.jar` },
  { title: "Docker", text: () => `docker run --network host -e AWS_XRAY_DAEMON_ADDRESS=${address} IMAGE` },
  { title: "AWS CLI", text: () => `export AWS_ENDPOINT_URL_XRAY=http://${address}\naws xray get-groups --no-sign-request --region us-east-1` },
];

/** A command with a button that copies it. */
function command(text) {
  return h(
    "div",
    { class: "command" },
    h("pre", { tabIndex: 0, "aria-label": "Command" }, text),
    h("button", { class: "icon-button small", "aria-label": "Copy the command", title: "Copy", onclick: () => copy(text) }, icon("copy", 14)),
  );
}

/** The ways to connect, as tabs over one command. */
export function connectCommands() {
  const shown = h("div", {});
  const buttons = WAYS.map((way) => h("button", { "aria-pressed": "false", onclick: () => choose(way) }, way.title));
  const choose = (way) => {
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(WAYS[i] === way)));
    replace(shown, command(way.text()));
  };
  choose(WAYS[0]);
  return h("div", { class: "connect" }, h("div", { class: "segmented", role: "group", "aria-label": "Kind of program" }, buttons), shown);
}
