//! The program's own API, and the parts of X-Ray's API that the page uses.

/**
 * @typedef {object} TraceRow one trace in the list
 * @property {string} id
 * @property {number} start µs since the epoch
 * @property {number} [changes] how often it changed since it was loaded
 * @property {number} duration µs
 * @property {number | null} response µs of the root; null while it is in progress
 * @property {number | null} status HTTP status of the root
 * @property {string | null} method
 * @property {string | null} url
 * @property {string} name of the root
 * @property {boolean} fault
 * @property {boolean} error
 * @property {boolean} throttle
 * @property {boolean} anyFault a fault below the root
 * @property {boolean} open in progress
 * @property {boolean} orphans a parent is missing
 * @property {number} entities
 * @property {number} revision documents joined so far
 * @property {number} repeats length of the longest run of repeated calls
 * @property {string[]} services
 */

/** An error response: `message`, and for filters the place where the error is. */
export class ApiError extends Error {
  constructor(status, message, at = null) {
    super(message);
    this.status = status;
    this.at = at;
  }
}

/**
 * Sends a request and reads its JSON.
 * @param {string} path
 * @param {RequestInit} [options]
 */
export async function request(path, options) {
  let response;
  try {
    response = (await takeEarly(path)) ?? (await fetch(path, options));
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "xray-local does not respond. Is it still running?");
  }
  const text = await response.text();
  const body = parse(text);
  if (!response.ok) throw new ApiError(response.status, body?.message ?? (text || response.statusText), body?.at ?? null);
  return body;
}

/** The response that `early.js` has asked for, once. */
function takeEarly(path) {
  const { early } = globalThis;
  delete globalThis.early;
  return early?.path === path ? early.response : null;
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Calls an operation of X-Ray's own API. */
export function call(operation, input = {}) {
  return request(`/${operation}`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(input) });
}

/**
 * Reads one page of the list.
 * @returns {Promise<{ rows: TraceRow[], next: string | null, matched: number, scanned: number, facets: any }>}
 */
export async function listTraces({ filter, timeRange, sort, cursor, limit = 500 }, signal) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ filter, timeRange, sort, cursor, limit })) if (value) query.set(name, String(value));
  const page = await request(`/api/traces?${query}`, { signal });
  return { ...page, rows: readRows(page) };
}

/**
 * Reads the rows of a page or of an event. Names are indices into a list, and flags are bits.
 * @returns {TraceRow[]}
 */
export function readRows({ rows, names }) {
  return rows.map((row) => {
    const flag = (bit) => (row.flags & bit) !== 0;
    return {
      id: row.id,
      revision: row.revision,
      start: row.start,
      duration: row.duration,
      response: row.response > 0 || !flag(8) ? row.response : null,
      status: row.status || null,
      method: row.method,
      url: row.url,
      name: names[row.name] ?? "",
      services: row.services.map((name) => names[name]),
      entities: row.entities,
      repeats: row.repeats,
      fault: flag(1),
      error: flag(2),
      throttle: flag(4),
      open: flag(8),
      orphans: flag(16),
      anyFault: flag(64),
    };
  });
}

export const getTrace = (id, signal) => request(`/api/traces/${encodeURIComponent(id)}`, { signal });
export const getEntity = (id, entity, signal) => request(`/api/traces/${encodeURIComponent(id)}/entities/${encodeURIComponent(entity)}`, { signal });
export const getDocuments = (id, signal) => request(`/api/traces/${encodeURIComponent(id)}/documents`, { signal });
export const clearTraces = () => request("/api/traces", { method: "DELETE" });
