//! Asks the worker for a layout.

const LIMIT = 8000;

const address = new URL("./layout_worker.js", import.meta.url).href;

const policy = globalThis.trustedTypes?.createPolicy("xray-local", {
  createScriptURL: (asked) => {
    if (asked !== address) throw new TypeError("only the layout's worker may be started");
    return asked;
  },
});

/**
 * @typedef {{ nodes: Map<string, [number, number]>, edges: Map<string, { points: [number, number][], x: number, y: number }>, width: number, height: number }} Layout
 * Edges have the key `from NUL to`; `x` and `y` are the middle of the label.
 */

/** @type {Worker | null} */
let prepared = null;

const start = () => new Worker(/** @type {any} */ (policy ? policy.createScriptURL(address) : address), { type: "module" });

/** Starts the worker for the next layout, which takes as long as loading a graph. */
export function prepareLayout() {
  prepared ??= start();
}

/**
 * Returns the layout of a graph, or rejects after eight seconds.
 * @param {import("./graph.js").Graph} graph
 * @param {[number, number]} size of a node
 * @param {AbortSignal} signal
 * @returns {Promise<Layout>}
 */
export function layoutGraph(graph, size, signal) {
  return new Promise((resolve, reject) => {
    const worker = prepared ?? start();
    prepared = null;
    const end = (settle) => {
      worker.terminate();
      clearTimeout(timer);
      settle();
    };
    const timer = setTimeout(() => end(() => reject(new Error("the layout takes too long"))), LIMIT);
    signal.addEventListener("abort", () => end(() => reject(signal.reason)));
    worker.onerror = () => end(() => reject(new Error("the layout failed")));
    worker.onmessage = ({ data }) =>
      end(() =>
        resolve({
          nodes: new Map(data.nodes.map(([id, x, y]) => [id, [x, y]])),
          edges: new Map(data.edges.map(([from, to, place]) => [`${from}\u0000${to}`, { ...place, points: place.points.map(({ x, y }) => [x, y]) }])),
          width: data.width,
          height: data.height,
        }),
      );
    worker.postMessage({ nodes: graph.nodes.map(({ id }) => id), edges: graph.edges.map(({ from, to }) => [from, to]), size });
  });
}
