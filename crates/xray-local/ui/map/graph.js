//! The graph of services: from X-Ray's service graph, or from one trace.

import { groupBy } from "../group_by.js";
import { KIND } from "../trace/model.js";

/**
 * @typedef {object} Statistics
 * @property {number} count
 * @property {number} error without throttles
 * @property {number} throttle
 * @property {number} fault
 * @property {number} total µs
 * @property {[number, number][]} histogram µs and count, in ascending order
 */

/** @typedef {{ id: string, name: string, type: string, root: boolean, statistics: Statistics | null }} GraphNode */
/** @typedef {{ from: string, to: string, statistics: Statistics }} GraphEdge */
/**
 * @typedef {object} Graph
 * @property {GraphNode[]} nodes
 * @property {GraphEdge[]} edges
 * @property {number | null} minutes that the requests took, at least one; null for a single trace
 */

const MAX_NODES = 300;

/**
 * Reads X-Ray's service graph.
 * @param {any[]} services
 * @returns {Graph}
 */
export function fromServices(services) {
  const nodes = services.map((service) => ({
    id: String(service.ReferenceId),
    name: service.Name ?? "",
    type: service.Type ?? "",
    root: service.Root === true,
    statistics: service.SummaryStatistics ? statistics(service.SummaryStatistics, service.ResponseTimeHistogram) : null,
  }));
  const edges = services.flatMap((service) =>
    (service.Edges ?? []).map((edge) => ({ from: String(service.ReferenceId), to: String(edge.ReferenceId), statistics: statistics(edge.SummaryStatistics ?? {}, edge.ResponseTimeHistogram) })),
  );
  const known = new Set(nodes.map(({ id }) => id));
  return { nodes, edges: edges.filter(({ from, to }) => known.has(from) && known.has(to)), minutes: minutes(services) };
}

/** The time from the first request to the last one; bursts of less than a minute are not extrapolated. */
function minutes(services) {
  const times = services.flatMap(({ StartTime, EndTime }) => [StartTime, EndTime]).filter(Number.isFinite);
  if (!times.length) return 1;
  const [first, last] = times.reduce(([first, last], time) => [Math.min(first, time), Math.max(last, time)], [Infinity, -Infinity]);
  return Math.max(1, (last - first) / 60);
}

function statistics(summary, histogram = []) {
  return {
    count: summary.TotalCount ?? 0,
    error: summary.ErrorStatistics?.OtherCount ?? 0,
    throttle: summary.ErrorStatistics?.ThrottleCount ?? 0,
    fault: summary.FaultStatistics?.TotalCount ?? 0,
    total: (summary.TotalResponseTime ?? 0) * 1e6,
    histogram: (histogram ?? []).map(({ Value, Count }) => [Value * 1e6, Count]).sort((a, b) => a[0] - b[0]),
  };
}

/**
 * Builds the graph of one trace: its segments, and a node for each call that no segment answers.
 * @param {import("../trace/model.js").TraceModel} trace
 * @returns {Graph}
 */
export function fromTrace(trace) {
  /** @type {Map<string, GraphNode>} */
  const nodes = new Map();
  /** @type {Map<string, GraphEdge>} */
  const edges = new Map();
  const empty = () => ({ count: 0, error: 0, throttle: 0, fault: 0, total: 0, histogram: [] });
  const node = (name, type, root = false) => {
    const id = `${type}\n${name}`;
    const found = nodes.get(id) ?? { id, name, type, root, statistics: type === "client" ? null : empty() };
    found.root ||= root;
    nodes.set(id, found);
    return found;
  };
  const count = (statistics, row) => {
    const { fault, throttle, error } = trace.flagsOf(row);
    const duration = trace.stop[row] - trace.start[row];
    statistics.count += 1;
    if (fault) statistics.fault += 1;
    else if (throttle) statistics.throttle += 1;
    else if (error) statistics.error += 1;
    statistics.total += duration;
    statistics.histogram.push([duration, 1]);
  };
  const connect = (from, to, row) => {
    const key = `${from.id}\u0000${to.id}`;
    const edge = edges.get(key) ?? { from: from.id, to: to.id, statistics: empty() };
    edges.set(key, edge);
    count(edge.statistics, row);
  };
  /** The node of each row's segment. */
  const owner = new Array(trace.count);
  for (let row = 0; row < trace.count; row += 1) {
    const parent = trace.parent[row];
    if (trace.isSegment(row) || parent < 0) {
      const own = node(trace.name(row), trace.kind[row] === KIND.inferred ? "remote" : "", parent < 0);
      owner[row] = own;
      count(own.statistics, row);
      connect(parent < 0 ? node(trace.name(row), "client") : owner[parent], own, parent < 0 || trace.isSegment(parent) ? row : parent);
      continue;
    }
    owner[row] = owner[parent];
    if (trace.kind[row] < KIND.remote) continue;
    const answered = [...trace.children(row)].some((child) => trace.isSegment(child));
    if (answered) continue;
    const called = node(trace.name(row), { [KIND.aws]: `AWS::${trace.name(row)}`, [KIND.sql]: "Database::SQL" }[trace.kind[row]] ?? "remote");
    count(called.statistics, row);
    connect(owner[row], called, row);
  }
  for (const { statistics } of [...nodes.values(), ...edges.values()]) statistics?.histogram.sort((a, b) => a[0] - b[0]);
  return { nodes: [...nodes.values()], edges: [...edges.values()], minutes: null };
}

/**
 * Joins nodes of one type, most first, until at most 300 are left, since the layout needs seconds for more.
 * @param {Graph} graph
 * @returns {Graph & { folded: number }}
 */
export function foldLarge({ nodes, edges, minutes }, most = MAX_NODES) {
  if (nodes.length <= most) return { nodes, edges, minutes, folded: 0 };
  const byType = [...groupBy(nodes, ({ type }) => type)].sort((a, b) => b[1].length - a[1].length);
  /** @type {Map<string, string>} */
  const moved = new Map();
  let left = nodes.length;
  const joined = [];
  for (const [type, members] of byType) {
    if (left <= most) break;
    const id = `folded\n${type}`;
    joined.push({ id, name: `${members.length} × ${type || "service"}`, type, root: members.some(({ root }) => root), statistics: sum(members.map(({ statistics }) => statistics)) });
    for (const member of members) moved.set(member.id, id);
    left -= members.length - 1;
  }
  const place = (id) => moved.get(id) ?? id;
  const merged = groupBy(edges, ({ from, to }) => `${place(from)}\u0000${place(to)}`);
  return {
    nodes: [...nodes.filter(({ id }) => !moved.has(id)), ...joined],
    edges: [...merged.values()].map((group) => ({ from: place(group[0].from), to: place(group[0].to), statistics: sum(group.map(({ statistics }) => statistics)) })),
    minutes,
    folded: moved.size,
  };
}

function sum(all) {
  const total = { count: 0, error: 0, throttle: 0, fault: 0, total: 0, histogram: [] };
  for (const statistics of all) {
    if (!statistics) continue;
    for (const key of ["count", "error", "throttle", "fault", "total"]) total[key] += statistics[key];
    total.histogram.push(...statistics.histogram);
  }
  total.histogram.sort((a, b) => a[0] - b[0]);
  return total;
}

/** Returns a quantile of a histogram in µs, or null if it is empty. */
export function quantile(histogram, share) {
  const total = histogram.reduce((sum, [, count]) => sum + count, 0);
  if (total === 0) return null;
  let seen = 0;
  for (const [value, count] of histogram) {
    seen += count;
    if (seen >= share * total) return value;
  }
  return histogram.at(-1)[0];
}
