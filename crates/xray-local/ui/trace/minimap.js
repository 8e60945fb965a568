//! The whole trace in one picture: bars, error marks, the critical path, and the window that the waterfall shows.

import { h, set } from "../dom.js";
import * as format from "../format.js";
import { serviceColor } from "../service_color.js";
import { resolveColors } from "../theme.js";

const HEIGHT = 56;
const MIN_WINDOW = 0.002;
/** A smaller difference, in pixels, is not seen. */
const SEEN = 0.5;

/**
 * Makes the minimap.
 * @param {(from: number, to: number) => void} onWindow gets shares of the trace's duration
 */
export function minimap(onWindow) {
  const canvas = /** @type {HTMLCanvasElement} */ (h("canvas", { height: HEIGHT, "aria-hidden": "true" }));
  const shade = [h("div", { class: "shade" }), h("div", { class: "shade" })];
  const frame = h("div", { class: "window" }, h("i", { class: "grip left" }), h("i", { class: "grip right" }));
  const axis = h("div", { class: "minimap-axis" });
  const element = h("div", { class: "minimap", "aria-hidden": "true" }, h("div", { class: "minimap-plot" }, canvas, shade, frame), axis);
  /** @type {import("./model.js").TraceModel | null} */
  let trace = null;
  let range = [0, 1];

  function draw() {
    if (!trace) return;
    const width = canvas.clientWidth;
    if (!width) return;
    const scale = devicePixelRatio;
    canvas.width = width * scale;
    canvas.height = HEIGHT * scale;
    const paint = canvas.getContext("2d");
    paint.scale(scale, scale);
    const services = new Set();
    for (let i = 0; i < trace.count; i += 1) services.add(trace.service(i));
    const [fault, error, throttle, text] = resolveColors(["--fault-bar", "--error-bar", "--throttle-bar", "--text"]);
    const colors = new Map([...services].map((name) => [name, resolveColors([serviceColor(name).slice(4, -1)])[0]]));
    const x = (time) => (time / trace.duration) * width;
    const top = 6;
    const height = HEIGHT - top - 6;
    const line = Math.max(0.6, Math.min(4, height / trace.count));
    let before = { left: -1, y: -1, long: -1, service: "" };
    for (let i = 0; i < trace.count; i += 1) {
      const service = trace.service(i);
      const [left, y, long] = [x(trace.start[i]), top + (i / trace.count) * height, Math.max(1, x(trace.stop[i] - trace.start[i]))];
      // In a large trace, most entities have the pixels of the one before.
      if (Math.abs(left - before.left) < SEEN && Math.abs(y - before.y) < SEEN && Math.abs(long - before.long) < SEEN && service === before.service) continue;
      before = { left, y, long, service };
      paint.fillStyle = colors.get(service);
      paint.fillRect(left, y, long, line * 0.8 + 0.2);
    }
    for (let i = 0; i < trace.count; i += 1) {
      if (!trace.isBad(i)) continue;
      const flags = trace.flagsOf(i);
      paint.fillStyle = flags.fault ? fault : flags.throttle ? throttle : error;
      paint.fillRect(x(trace.stop[i]) - 1, 0, 2, 5);
      paint.fillRect(x(trace.start[i]), top + (i / trace.count) * height, Math.max(2, x(trace.stop[i] - trace.start[i])), Math.max(1.5, line));
    }
    paint.fillStyle = text;
    // The parts of the critical path join without gaps.
    const [first, last] = [trace.critical[0], trace.critical.at(-1)];
    if (first) paint.fillRect(x(first.start), HEIGHT - 3, Math.max(0.5, x(last.end - first.start)), 2);
  }

  function showWindow() {
    const [from, to] = range;
    set(frame, { "--from": `${from * 100}%`, "--width": `${(to - from) * 100}%` });
    set(shade[0], { "--from": "0%", "--width": `${from * 100}%` });
    set(shade[1], { "--from": `${to * 100}%`, "--width": `${(1 - to) * 100}%` });
    frame.classList.toggle("whole", from === 0 && to === 1);
  }

  /** @type {{ kind: string, at: number, range: number[] } | null} */
  let drag = null;
  const share = (event) => {
    const box = canvas.getBoundingClientRect();
    return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
  };
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !trace) return;
    const whole = range[0] === 0 && range[1] === 1;
    const target = /** @type {Element} */ (event.target);
    const kind = target.closest(".left") ? "left" : target.closest(".right") ? "right" : target.closest(".window") && !whole ? "move" : "new";
    drag = { kind, at: share(event), range };
    element.setPointerCapture(event.pointerId);
  });
  element.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const at = share(event);
    const [from, to] = drag.range;
    if (drag.kind === "left") range = [Math.min(at, to - MIN_WINDOW), to];
    else if (drag.kind === "right") range = [from, Math.max(at, from + MIN_WINDOW)];
    else if (drag.kind === "move") {
      const by = Math.max(-from, Math.min(1 - to, at - drag.at));
      range = [from + by, to + by];
    } else range = [Math.min(at, drag.at), Math.max(at, drag.at)];
    showWindow();
  });
  element.addEventListener("pointerup", () => {
    if (!drag) return;
    // A click without a drag shows the whole trace again.
    if (drag.kind === "new" && range[1] - range[0] < MIN_WINDOW) range = [0, 1];
    drag = null;
    onWindow(range[0], range[1]);
  });
  element.addEventListener("dblclick", () => onWindow(0, 1));

  const observer = new ResizeObserver(draw);
  observer.observe(canvas);
  document.addEventListener("themechange", draw);

  return {
    element,
    show(next) {
      trace = next;
      axis.replaceChildren(...[0, 0.25, 0.5, 0.75, 1].map((at) => h("span", {}, format.duration(at * trace.duration))));
      draw();
    },
    setWindow(from, to) {
      if (drag) return;
      range = [from, to];
      showWindow();
    },
    close() {
      observer.disconnect();
      document.removeEventListener("themechange", draw);
    },
  };
}
