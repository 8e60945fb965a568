//! The shell: header, navigation, and the page of the current address.

import { h, replace, set } from "./dom.js";
import * as format from "./format.js";
import { icon, mark } from "./icons.js";
import { bindKeys, showKeys } from "./keys.js";
import { isPaused, liveState, onLive, setPaused, startLive } from "./live.js";
import { Losses } from "./losses.js";
import { openMenu } from "./popup.js";
import { navigate, startRouter } from "./router.js";
import { currentTheme, nextTheme } from "./theme.js";

/**
 * @typedef {object} Page
 * @property {HTMLElement} element
 * @property {string} title
 * @property {(route: import("./routes.js").Route) => void} update called for each address of the page, also the first
 * @property {() => void} [close]
 */

/** @type {Record<string, () => Promise<{ open: () => Page }>>} */
const PAGES = {
  traces: () => import("./traces/page.js"),
  trace: () => import("./trace/page.js"),
  compare: () => import("./compare/page.js"),
  map: () => import("./map/page.js"),
  sampling: () => import("./sampling/page.js"),
  status: () => import("./status/page.js"),
};

const NAV = [
  { page: "traces", title: "Traces", href: "/traces" },
  { page: "map", title: "Service map", href: "/service-map" },
  { page: "sampling", title: "Sampling", href: "/sampling" },
  { page: "status", title: "Status", href: "/status" },
];

const links = NAV.map(({ title, href }) => h("a", { href }, title));
const main = h("main", { class: "main", id: "main", tabIndex: -1 });

document.body.append(header(), main);
bindKeys("Everywhere", [
  { keys: ["g t"], title: "Traces", run: () => navigate("/traces") },
  { keys: ["g m"], title: "Service map", run: () => navigate("/service-map") },
  { keys: ["g s"], title: "Sampling", run: () => navigate("/sampling") },
  { keys: ["g i"], title: "Status", run: () => navigate("/status") },
  { keys: ["p"], title: "Pause or resume the live list", run: () => setPaused(!isPaused()) },
  { keys: ["t"], title: "Theme", run: () => document.getElementById("theme").click() },
  { keys: ["?"], title: "Keys", run: showKeys },
]);
startLive();

let generation = 0;
/** @type {{ kind: string, page: Page } | null} */
let current = null;

startRouter(async (route) => {
  const turn = ++generation;
  const section = { trace: "traces", compare: "traces" }[route.page] ?? route.page;
  links.forEach((link, i) => set(link, { "aria-current": NAV[i].page === section ? "page" : null }));
  if (current?.kind !== route.page) {
    const load = PAGES[route.page];
    const module = load ? await load().catch(() => ({ open: openOutdated })) : { open: openUnknown };
    if (turn !== generation) return;
    current?.page.close?.();
    current = { kind: route.page, page: module.open() };
    main.replaceChildren(current.page.element);
  }
  current.page.update(route);
  document.title = `${current.page.title} · xray-local`;
  // Most visits continue with a trace.
  if (route.page === "traces") setTimeout(() => void PAGES.trace(), 1000);
});

function openUnknown() {
  return openMessage("There is no such page", "The address may be from a newer version of xray-local.", h("a", { class: "button", href: "/traces" }, "Go to traces"));
}

function openOutdated() {
  return openMessage("This page cannot be loaded", "Either xray-local does not run, or another version of it was started.", h("button", { class: "button", onclick: () => location.reload() }, "Load again"));
}

/** @returns {Page} */
function openMessage(title, text, action) {
  const element = h("div", { class: "page" }, h("div", { class: "empty" }, h("h2", {}, title), h("p", {}, text), h("div", { class: "actions" }, action)));
  return { element, title, update() {} };
}

function header() {
  return h(
    "header",
    { class: "header" },
    h("a", { class: "skip", href: "#main" }, "Skip to content"),
    h("a", { class: "brand", href: "/traces", "aria-label": "xray-local, traces" }, mark(), h("span", {}, "xray-local")),
    h("nav", { class: "nav", "aria-label": "Pages" }, links),
    h("div", { class: "spring" }),
    meters(),
    liveButton(),
    themeButton(),
    h("button", { class: "icon-button", "aria-label": "Keys", title: "Keys (?)", onclick: showKeys }, icon("keyboard")),
  );
}

function meters() {
  const held = h("b", {}, "–");
  const lost = h("b", {}, "0");
  const losses = new Losses();
  const lostMeter = h("button", { class: "meter muted", title: "What was lost on the way", "aria-haspopup": "menu", "aria-expanded": "false", onclick: showLosses }, lost, " lost");
  onLive("stats", (stats) => {
    losses.update(stats);
    held.textContent = format.count(stats.traces);
    lost.textContent = format.count(losses.total);
    lostMeter.classList.toggle("lost", losses.total > 0);
  });
  function showLosses() {
    const lines = losses.lines();
    openMenu(lostMeter, [
      { label: lines.length ? "Lost on the way" : "Nothing was lost on the way" },
      ...lines.slice(0, 8).map(({ when, text }) => ({ title: text, hint: when, run: () => navigate("/status") })),
      "separator",
      { title: "All counters", run: () => navigate("/status") },
    ]);
  }
  return h("div", { class: "meters" }, h("span", { class: "held", title: "Traces in memory" }, held, " held"), lostMeter);
}

function liveButton() {
  const label = h("span", {}, "Connecting");
  const button = h("button", { class: "live", title: "Documents per second. Pause or resume the live list (p)", onclick: () => setPaused(!isPaused()) }, h("span", { class: "dot" }), label);
  let rate = 0;
  let last = { datagrams: 0, at: 0 };
  const show = () => {
    const state = liveState();
    button.dataset.state = state;
    label.textContent = { live: `Live ${format.count(rate)}/s`, paused: "Paused", off: "Offline", connecting: "Connecting" }[state];
    set(button, { "aria-pressed": String(state === "paused") });
  };
  onLive("state", show);
  onLive("stats", (stats) => {
    const now = performance.now();
    rate = last.at ? Math.max(0, Math.round(((stats.datagrams - last.datagrams) * 1000) / (now - last.at))) : 0;
    last = { datagrams: stats.datagrams, at: now };
    show();
  });
  show();
  return button;
}

function themeButton() {
  const button = h("button", { class: "icon-button", id: "theme" });
  const show = (theme) => {
    const name = { light: "light", dark: "dark", system: "as the system" }[theme];
    set(button, { "aria-label": `Theme: ${name}`, title: `Theme: ${name} (t)` });
    replace(button, icon({ light: "sun", dark: "moon", system: "system" }[theme]));
  };
  button.addEventListener("click", () => show(nextTheme()));
  show(currentTheme());
  return button;
}
