//! The map of services: nodes and edges as SVG, the same as a table, and a drawer with details.

import { h, redraw, replace, set, svg } from "../dom.js";
import * as format from "../format.js";
import { icon } from "../icons.js";
import { serviceColor } from "../service_color.js";
import { foldLarge, quantile } from "./graph.js";
import { layoutGraph } from "./layout.js";

const SIZE = /** @type {[number, number]} */ ([244, 78]);
const RING = 18;
const MARGIN = 24;
const MAX_LABEL = 22;
/** Below this scale texts cannot be read: a large map begins with its first services, and "Fit" shows all. */
const READABLE = 0.72;
/** From this share of failed calls on, an edge has their colour. */
const BAD_SHARE = 0.01;

/**
 * Makes a map.
 * @param {object} options
 * @param {(node: import("./graph.js").GraphNode) => { title: string, href: string }[]} options.nodeActions
 * @param {(id: string | null) => void} [options.onSelect]
 * @param {(node: import("./graph.js").GraphNode) => any} [options.nodeDetails]
 */
export function mapView({ nodeActions, onSelect = () => {}, nodeDetails = () => null }) {
  const edgesLayer = svg("g", {});
  const nodesLayer = svg("g", {});
  const stage = svg("g", {}, edgesLayer, nodesLayer);
  const canvas = svg(
    "svg",
    { class: "map-canvas", role: "group", "aria-label": "Services" },
    svg("defs", {}, svg("clipPath", { id: "inside" }, svg("rect", { width: SIZE[0] - 8, height: SIZE[1] })), svg("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, orient: "auto", markerUnits: "userSpaceOnUse" }, svg("path", { d: "M0.5 0.8 7 4 0.5 7.2Z", class: "arrow" }))),
    stage,
  );
  const table = h("div", { class: "map-table", hidden: true, tabIndex: 0, role: "region", "aria-label": "Services as a table" });
  const panel = h("aside", { class: "drawer", "aria-label": "Service", hidden: true });
  const note = h("p", { class: "map-note", hidden: true });
  const mapButton = h("button", { "aria-pressed": "true", onclick: () => showTable(false) }, "Map");
  const tableButton = h("button", { "aria-pressed": "false", onclick: () => showTable(true) }, "Table");
  const zoomTools = h(
    "div",
    { class: "map-zoom" },
    h("button", { class: "icon-button", "aria-label": "Zoom in", onclick: () => zoomAt(1.3) }, "+"),
    h("button", { class: "icon-button", "aria-label": "Zoom out", onclick: () => zoomAt(1 / 1.3) }, "−"),
    h("button", { class: "icon-button fit", "aria-label": "Fit to the window", onclick: fit }, "Fit"),
  );
  const legend = h("div", { class: "map-legend", "aria-hidden": "true" }, ["ok", "error", "throttle", "fault"].map((kind) => h("span", { class: kind }, h("i", {}), kind)));
  const empty = h("div", { class: "empty", hidden: true });
  const element = h(
    "div",
    { class: "map" },
    h("div", { class: "map-main" }, canvas, table, empty, h("div", { class: "segmented map-switch", role: "group", "aria-label": "Form" }, mapButton, tableButton), zoomTools, legend, note),
    panel,
  );

  /** @type {import("./graph.js").Graph} */
  let graph = { nodes: [], edges: [], minutes: null };
  /** @type {import("./layout.js").Layout | null} */
  let placed = null;
  let selected = /** @type {string | null} */ (null);
  let view = { x: 0, y: 0, scale: 1 };
  let work = new AbortController();
  let shape = "";

  async function show(next) {
    const folded = foldLarge(next);
    graph = folded;
    note.hidden = folded.folded === 0;
    note.textContent = `${format.count(folded.folded)} services are joined by type, since more than 300 cannot be read.`;
    empty.hidden = graph.nodes.length > 0;
    drawTable();
    const nextShape = JSON.stringify([graph.nodes.map(({ id }) => id), graph.edges.map(({ from, to }) => [from, to])]);
    if (nextShape !== shape) {
      work.abort();
      work = new AbortController();
      element.classList.toggle("busy", !placed);
      try {
        placed = await layoutGraph(graph, SIZE, work.signal);
        shape = nextShape;
        begin();
      } catch (error) {
        if (error.name === "AbortError") return;
        note.hidden = false;
        note.textContent = `The map cannot be drawn: ${error.message}. The table shows the same.`;
        showTable(true);
        return;
      } finally {
        element.classList.remove("busy");
      }
    }
    draw();
  }

  function draw() {
    replace(edgesLayer, graph.edges.map(drawEdge));
    redraw(nodesLayer, graph.nodes.map(drawNode));
    if (selected) drawPanel();
  }

  function drawNode(node) {
    const [x, y] = placed.nodes.get(node.id) ?? [0, 0];
    const [width, height] = SIZE;
    const client = node.type === "client";
    const { statistics } = node;
    const label = cut(client ? "Clients" : node.name);
    const times = statistics?.histogram.length ? [quantileText(statistics.histogram, 0.5), statistics.count > 1 && `p95 ${quantileText(statistics.histogram, 0.95)}`] : [];
    const lines = client ? [`of ${cut(node.name)}`] : [cut(node.type || "service"), [statistics && rate(statistics.count), ...times].filter(Boolean).join(" · ")];
    return svg(
      "g",
      {
        class: `node${node.id === selected ? " selected" : ""}`,
        transform: `translate(${x - width / 2} ${y - height / 2})`,
        role: "button",
        tabindex: 0,
        "data-key": node.id,
        "aria-pressed": String(node.id === selected),
        onclick: () => select(node.id),
        onfocus: (event) => event.currentTarget.matches(":focus-visible") && uncover(node.id),
        onkeydown: (event) => {
          if (event.key !== "Enter" && event.key !== " ") return;
          event.preventDefault();
          select(node.id);
        },
      },
      svg("title", {}, describe(node)),
      svg("rect", { class: "node-box", width, height, rx: 10 }),
      svg("g", { transform: `translate(${RING + 13} ${height / 2})` }, ring(statistics), svg("circle", { r: 6, class: "node-dot", "--c": client ? "var(--text-3)" : serviceColor(node.name) })),
      svg("g", { "clip-path": "url(#inside)" }, svg("text", { class: "node-name", x: 60, y: client ? 34 : 26 }, label), lines.map((line, i) => svg("text", { class: "node-line", x: 60, y: (client ? 52 : 43) + i * 17 }, line))),
    );
  }

  /** Requests per minute, or the number of calls in one trace. */
  function rate(count) {
    if (graph.minutes === null) return format.plural(count, "call");
    const perMinute = count / graph.minutes;
    if (perMinute > 0 && perMinute < 0.1) return "< 0.1/min";
    return `${perMinute < 10 ? Number(perMinute.toFixed(1)) : format.compact(Math.round(perMinute))}/min`;
  }

  function drawEdge(edge) {
    const place = placed.edges.get(`${edge.from}\u0000${edge.to}`);
    if (!place) return null;
    const { points, x, y } = place;
    const { statistics } = edge;
    const bad = statistics.fault + statistics.error + statistics.throttle;
    const width = Math.min(5, 1.2 + Math.log10(Math.max(1, statistics.count)));
    const p50 = quantile(statistics.histogram, 0.5);
    const label = [p50 !== null && quantileText(statistics.histogram, 0.5), bad > 0 && format.percent(bad / statistics.count)].filter(Boolean).join(" · ");
    const worst = ["fault", "throttle", "error"].find((kind) => statistics[kind] >= BAD_SHARE * statistics.count && statistics[kind] > 0);
    const kind = worst ?? "";
    const near = !selected || edge.from === selected || edge.to === selected;
    return svg(
      "g",
      { class: `edge ${kind}${near ? "" : " far"}` },
      svg("path", { d: curve(points), "stroke-width": width, "marker-end": "url(#arrow)" }),
      label && svg("text", { x, y: y - 7 }, label),
    );
  }

  function drawTable() {
    const row = (node) => {
      const { statistics } = node;
      const value = (share) => (statistics ? quantileText(statistics.histogram, share) : "–");
      const calls = graph.edges.filter(({ from }) => from === node.id).map(({ to }) => graph.nodes.find(({ id }) => id === to)?.name ?? "");
      return h(
        "tr",
        {},
        h("td", {}, h("span", { class: "what" }, h("span", { class: "dot", "--c": serviceColor(node.name) }), h("button", { class: "link", "data-key": node.id, onclick: () => select(node.id) }, format.plain(node.type === "client" ? `Clients of ${node.name}` : node.name, 80)))),
        h("td", { class: "muted" }, format.plain(node.type || "service", 60)),
        h("td", { class: "num" }, statistics ? format.count(statistics.count) : "–"),
        graph.minutes !== null && h("td", { class: "num" }, statistics ? rate(statistics.count) : "–"),
        h("td", { class: "num" }, value(0.5)),
        h("td", { class: "num" }, value(0.95)),
        ["error", "throttle", "fault"].map((kind) => h("td", { class: "num" }, statistics?.[kind] ? h("span", { class: `state-${kind}` }, format.count(statistics[kind])) : "0")),
        h("td", { class: "muted" }, calls.map((name) => format.plain(name, 40)).join(", ")),
      );
    };
    const heads = ["Service", "Type", "Requests", graph.minutes !== null && "Rate", "p50", "p95", "Errors", "Throttles", "Faults", "Calls"].filter(Boolean);
    redraw(table, h("div", { class: "table-scroll" }, h("table", { class: "table" }, h("thead", {}, h("tr", {}, heads.map((title, i) => h("th", { scope: "col", class: i > 1 && i < heads.length - 1 ? "num" : null }, title)))), h("tbody", {}, graph.nodes.map(row)))));
  }

  function select(id) {
    selected = selected === id ? null : id;
    onSelect(selected);
    if (placed) draw();
    drawPanel();
    uncover(selected);
  }

  /** Moves the map if a node is outside of the window, or below the drawer. */
  function uncover(id) {
    const place = placed?.nodes.get(id ?? "");
    if (!place) return;
    const right = canvas.clientWidth - (panel.hidden ? 0 : panel.offsetWidth) - MARGIN;
    const into = (from, size, low, high) => (from < low ? low - from : Math.min(0, high - from - size));
    view.x += into(view.x + (place[0] - SIZE[0] / 2) * view.scale, SIZE[0] * view.scale, MARGIN, right);
    view.y += into(view.y + (place[1] - SIZE[1] / 2) * view.scale, SIZE[1] * view.scale, MARGIN, canvas.clientHeight - MARGIN);
    move();
  }

  function drawPanel() {
    const node = graph.nodes.find(({ id }) => id === selected);
    panel.hidden = !node;
    if (!node) return;
    const { statistics } = node;
    const fact = (name, value) => [h("dt", {}, name), h("dd", {}, value)];
    const neighbours = (title, edges, end) =>
      edges.length > 0 &&
      h(
        "section",
        {},
        h("h3", {}, title),
        h(
          "ul",
          { class: "neighbours" },
          edges.map((edge) => {
            const other = graph.nodes.find(({ id }) => id === edge[end]);
            const { count, fault, error, throttle, histogram } = edge.statistics;
            return h("li", {}, h("span", { class: "dot", "--c": serviceColor(other.name) }), h("button", { class: "link clip", onclick: () => select(other.id) }, other.type === "client" ? "Clients" : format.plain(other.name, 60)), h("span", { class: "spring" }), h("span", { class: "faint" }, `${format.count(count)} · ${quantileText(histogram, 0.5)}`), fault + error + throttle > 0 && h("span", { class: "state-fault" }, format.percent((fault + error + throttle) / count)));
          }),
        ),
      );
    replace(
      panel,
      h("div", { class: "drawer-head" }, h("h2", { class: "clip" }, h("span", { class: "dot", "--c": serviceColor(node.name) }), " ", format.plain(node.name, 100)), h("button", { class: "icon-button small", "aria-label": "Close details", onclick: () => select(node.id) }, icon("close"))),
      h(
        "div",
        { class: "drawer-content", tabIndex: 0, "aria-label": "Details" },
        h(
          "section",
          {},
          h("div", { class: "drawer-tags" }, h("span", { class: "tag" }, format.plain(node.type || "service", 60)), node.root && h("span", { class: "tag" }, "first service")),
          statistics &&
            h(
              "dl",
              { class: "facts" },
              fact("Requests", graph.minutes === null ? format.count(statistics.count) : `${format.count(statistics.count)} · ${rate(statistics.count)}`),
              fact("p50", quantileText(statistics.histogram, 0.5)),
              fact("p95", quantileText(statistics.histogram, 0.95)),
              fact("Average", format.duration(statistics.count ? statistics.total / statistics.count : null)),
              ["fault", "error", "throttle"].map((kind) => statistics[kind] > 0 && fact({ fault: "Faults", error: "Errors", throttle: "Throttles" }[kind], h("span", { class: `state-${kind}` }, `${format.count(statistics[kind])} (${format.percent(statistics[kind] / statistics.count)})`))),
            ),
          h("div", { class: "panel-actions" }, nodeActions(node).map(({ title, href }) => h("a", { class: "button small", href }, title))),
        ),
        nodeDetails(node),
        neighbours("Called by", graph.edges.filter(({ to }) => to === node.id), "from"),
        neighbours("Calls", graph.edges.filter(({ from }) => from === node.id), "to"),
      ),
    );
  }

  function showTable(on) {
    table.hidden = !on;
    canvas.toggleAttribute("hidden", on);
    canvas.classList.toggle("off", on);
    zoomTools.hidden = on;
    legend.hidden = on;
    set(mapButton, { "aria-pressed": String(!on) });
    set(tableButton, { "aria-pressed": String(on) });
  }

  function fit() {
    if (!placed) return;
    const { clientWidth, clientHeight } = canvas;
    const scale = Math.min(1.15, clientWidth / placed.width, clientHeight / placed.height);
    view = { scale, x: (clientWidth - placed.width * scale) / 2, y: (clientHeight - placed.height * scale) / 2 };
    move();
  }

  function begin() {
    fit();
    if (!placed || view.scale >= READABLE) return;
    view = { scale: READABLE, x: 0, y: Math.max(0, (canvas.clientHeight - placed.height * READABLE) / 2) };
    move();
  }

  function zoomAt(factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
    const scale = Math.max(0.05, Math.min(3, view.scale * factor));
    const by = scale / view.scale;
    view = { scale, x: x - (x - view.x) * by, y: y - (y - view.y) * by };
    move();
  }

  function move() {
    set(stage, { transform: `translate(${view.x} ${view.y}) scale(${view.scale})` });
  }

  let drag = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button === 0 && !event.target.closest(".node")) drag = { x: event.clientX - view.x, y: event.clientY - view.y };
    if (drag) canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drag) return;
    view.x = event.clientX - drag.x;
    view.y = event.clientY - drag.y;
    move();
  });
  canvas.addEventListener("pointerup", () => (drag = null));
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const box = canvas.getBoundingClientRect();
      zoomAt(Math.exp(-event.deltaY * 0.0015), event.clientX - box.left, event.clientY - box.top);
    },
    { passive: false },
  );
  const observer = new ResizeObserver(begin);
  observer.observe(canvas);

  return {
    element,
    empty,
    show,
    /** Selects a node from the address. */
    choose(id) {
      if (id === selected) return;
      selected = id;
      if (placed) draw();
      drawPanel();
    },
    close() {
      work.abort();
      observer.disconnect();
    },
  };
}

/** A ring whose parts are the shares of outcomes. */
function ring(statistics) {
  const circle = (kind, share, from) => svg("circle", { r: RING, class: `ring ${kind}`, pathLength: 100, "stroke-dasharray": `${share * 100} 100`, "stroke-dashoffset": -from * 100, transform: "rotate(-90)" });
  if (!statistics?.count) return circle("none", 1, 0);
  let from = 0;
  const parts = ["fault", "throttle", "error"].map((kind) => {
    const share = statistics[kind] / statistics.count;
    const part = share > 0 && circle(kind, Math.max(0.02, share), from);
    from += share;
    return part;
  });
  return [circle("ok", 1, 0), parts];
}

function curve(points) {
  const [[x, y], ...rest] = points;
  let path = `M${x} ${y}`;
  for (let i = 0; i < rest.length - 1; i += 1) {
    const [px, py] = rest[i];
    const [qx, qy] = rest[i + 1];
    const end = i === rest.length - 2 ? [qx, qy] : [(px + qx) / 2, (py + qy) / 2];
    path += `Q${px} ${py} ${end[0]} ${end[1]}`;
  }
  if (rest.length === 1) path += `L${rest[0][0]} ${rest[0][1]}`;
  return path;
}

const cut = (name) => {
  const text = format.plain(name, 200);
  return text.length > MAX_LABEL ? `${text.slice(0, MAX_LABEL - 1)}…` : text;
};

/** A quantile as text. X-Ray's histograms are rounded to milliseconds. */
function quantileText(histogram, share) {
  const value = quantile(histogram, share);
  return value === 0 ? "< 1 ms" : format.duration(value);
}

/** The tooltip of a node, which is also what a screen reader says. */
function describe({ name, type, statistics }) {
  const label = format.plain(type === "client" ? `Clients of ${name}` : name, 200);
  if (!statistics) return label;
  const bad = ["fault", "error", "throttle"].filter((kind) => statistics[kind] > 0).map((kind) => format.plural(statistics[kind], kind));
  return [label, type, format.plural(statistics.count, "request"), `median ${quantileText(statistics.histogram, 0.5)}`, ...bad].filter(Boolean).join(", ");
}
