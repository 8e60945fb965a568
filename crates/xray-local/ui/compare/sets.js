//! The summary of a set of traces, from the list's facets.

import { quantile } from "../map/graph.js";

/**
 * Summarizes a page of the list.
 * @param {{ matched: number, facets: any }} page
 */
export function summarize({ matched, facets }) {
  // A bucket is a tenth of a decade wide: its middle is at most 12 % off.
  const latency = facets.latency.filter(([from]) => from > 0).map(([from, count]) => [from * 10 ** 0.05, count]);
  const share = (...classes) => (matched ? classes.reduce((sum, name) => sum + (facets.status[name] ?? 0), 0) / matched : 0);
  return {
    count: matched,
    p50: quantile(latency, 0.5),
    p95: quantile(latency, 0.95),
    faults: share("5xx"),
    errors: share("4xx", "429"),
    services: Object.keys(facets.service).length,
  };
}
