//! What is held, what was lost, and how to connect.

import { request } from "../api.js";
import { connectCommands } from "../connect.js";
import { h, replace, svg } from "../dom.js";
import * as format from "../format.js";
import { onLive } from "../live.js";

const SECONDS = 120;
const HEIGHT = 56;

/** @returns {import("../app.js").Page} */
export function open() {
  const cards = h("div", { class: "stat-cards" });
  const losses = h("div", {});
  const about = h("div", {});
  const bars = svg("svg", { class: "rate", viewBox: `0 0 ${SECONDS * 4} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
  const rateNow = h("span", { class: "stat-value" }, "0");
  /** @type {number[]} */
  const rates = [];
  let last = null;

  const element = h(
    "div",
    { class: "page scrolls" },
    h(
      "div",
      { class: "column" },
      h("div", {}, h("h1", { class: "page-title" }, "Status"), h("p", { class: "page-lead" }, "What xray-local has received, what it keeps, and what was lost on the way.")),
      cards,
      h("section", { class: "card rate-card" }, h("div", { class: "stat-name" }, "Documents per second"), rateNow, bars),
      h("section", {}, h("h2", { class: "section-title" }, "Losses"), losses),
      h("section", {}, h("h2", { class: "section-title" }, "Connect a program"), connectCommands()),
      h("section", {}, h("h2", { class: "section-title" }, "This xray-local"), about),
    ),
  );

  function show(stats) {
    if (last) {
      const seconds = (stats.uptime - last.uptime) / 1e6;
      if (seconds > 0.2) rates.push((stats.datagrams - last.datagrams) / seconds);
      if (rates.length > SECONDS) rates.shift();
    }
    last = stats;
    const memory = stats.bytes / stats.maxBytes;
    replace(
      cards,
      stat("Traces held", format.count(stats.traces), `of at most ${format.count(stats.maxTraces)}`, stats.traces / stats.maxTraces),
      stat("Memory", format.bytes(stats.bytes), `of ${format.bytes(stats.maxBytes)}`, memory),
      stat("Documents received", format.count(stats.datagrams), `in ${format.duration(stats.uptime)}`),
      stat("Forgotten", format.count(stats.forgotten), "traces, to make room"),
    );
    const rows = [
      ["Lost in the kernel", stats.lost.kernel, "The UDP buffer was full. A larger net.core.rmem_max helps."],
      ["Lost in the queue", stats.lost.queueFull, "Documents arrived faster than they could be read."],
      ["Not forwarded", stats.lost.notForwarded, "The receiver did not take them, or too many waited for it."],
      ["Without the daemon's header", stats.refused.missingHeader, "Something other than an X-Ray SDK sends to this port."],
      ["With a wrong header", stats.refused.invalidHeader, "The first line is not the one that SDKs send."],
      ["Not a document", stats.refused.invalidDocument, "No segment or subsegment: not JSON, or without id, name or start time."],
    ];
    replace(
      losses,
      h(
        "div",
        { class: "table-scroll" },
        h(
          "table",
          { class: "table" },
          h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "What"), h("th", { scope: "col", class: "num" }, "Count"), h("th", { scope: "col" }, "Why"))),
          h("tbody", {}, rows.map(([what, count, why]) => h("tr", {}, h("td", {}, what), h("td", { class: "num" }, h("span", { class: count > 0 ? "state-fault" : "faint" }, format.count(count))), h("td", { class: "muted" }, why)))),
        ),
      ),
      stats.buffer.small && h("p", { class: "callout error" }, h("strong", {}, `The receive buffer has only ${format.bytes(stats.buffer.bytes)}`), h("span", {}, "Bursts may be lost. To permit 4 MiB: sudo sysctl -w net.core.rmem_max=4194304, then restart xray-local.")),
      stats.store?.failure && h("p", { class: "callout error" }, h("strong", {}, "The store file cannot be written"), h("span", {}, `${format.plain(stats.store.failure)}. ${format.plural(stats.store.unstored, "document")} so far ${stats.store.unstored === 1 ? "is" : "are"} in memory only.`)),
      (stats.forward ?? []).filter(({ failure }) => failure).map(({ target, failure }) => h("p", { class: "callout error" }, h("strong", {}, `Documents do not reach ${format.plain(target)}`), h("span", {}, `The reason: ${format.plain(failure)}. New documents are sent nevertheless.`))),
    );
    const facts = [
      ["Version", stats.version],
      ["Address", stats.address],
      ["Process", String(stats.pid)],
      ["Running for", format.duration(stats.uptime)],
      ["Receive buffer", format.bytes(stats.buffer.bytes)],
      ["Store", stats.store ? `${format.plain(stats.store.path)} · ${format.bytes(stats.store.bytes)}` : "memory only"],
      ...(stats.forward ?? []).map(({ target, sent, lost }) => ["Forwarded to", `${format.plain(target)} · ${format.plural(sent, "document")}${lost > 0 ? `, ${format.count(lost)} lost` : ""}`]),
    ];
    replace(about, h("dl", { class: "facts" }, facts.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])));
    drawRates();
  }

  function drawRates() {
    const most = Math.max(1, ...rates);
    rateNow.textContent = format.count(Math.round(rates.at(-1) ?? 0));
    bars.setAttribute("aria-label", `Documents per second of the last two minutes, at most ${format.count(Math.round(most))}`);
    const first = SECONDS - rates.length;
    replace(bars, rates.map((rate, i) => rate > 0 && svg("rect", { x: (first + i) * 4 + 0.5, width: 3, rx: 1, y: HEIGHT - Math.max(1.5, (rate / most) * HEIGHT), height: Math.max(1.5, (rate / most) * HEIGHT) })));
  }

  const stop = onLive("stats", show);
  const first = new AbortController();
  return {
    element,
    title: "Status",
    update() {
      request("/api/status", { signal: first.signal }).then(show, () => {});
    },
    close() {
      stop();
      first.abort();
    },
  };
}

function stat(name, value, note, share) {
  return h(
    "div",
    { class: "card stat" },
    h("div", { class: "stat-name" }, name),
    h("div", { class: "stat-value" }, value),
    h("div", { class: "faint" }, note),
    share !== undefined && h("div", { class: "stat-bar", "--share": Math.min(1, share), "aria-hidden": "true" }),
  );
}
