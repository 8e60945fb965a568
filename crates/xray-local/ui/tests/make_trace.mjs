// Traces for tests, written as nested objects.

import { TraceModel } from "../trace/model.js";

/**
 * Makes the model of a trace. Times are in milliseconds.
 * @typedef {{ name?: string, at: [number, number | null], kind?: number, flags?: number, action?: string, status?: number, children?: Made[] }} Made
 * @param {...Made} roots
 */
export function makeTrace(...roots) {
  const names = [];
  const index = (text) => (names.includes(text) ? names.indexOf(text) : names.push(text) - 1);
  const signatures = [];
  const rows = [];
  const add = ({ name = "work", at: [start, end], kind = 1, flags = 0, action = "", status = 0, children = [] }, depth, segment) => {
    const own = kind === 0 ? name : segment;
    const signature = `${kind} ${name} ${action}`;
    if (!signatures.includes(signature)) signatures.push(signature);
    const row = [String(rows.length + 1).padStart(16, "0"), depth, 0, start * 1000, end === null ? -1 : (end - start) * 1000, end === null ? flags | 8 : flags, kind, index(name), signatures.indexOf(signature), status, action ? index(action) : -1, index(own)];
    rows.push(row);
    for (const child of children) add(child, depth + 1, own);
    row[2] = rows.length;
  };
  for (const root of roots) add({ kind: 0, ...root }, 0, root.name ?? "work");
  const duration = Math.max(0, ...rows.map((row) => row[3] + Math.max(0, row[4])));
  const members = ["id", "depth", "end", "start", "duration", "flags", "kind", "name", "signature", "status", "action", "segment"];
  const entities = Object.fromEntries(members.map((member, i) => [member, rows.map((row) => row[i])]));
  return new TraceModel({ id: "1-5759e988-bd862e3fe1be46a994272793", start: 1480615200000000, duration, revision: 1, documents: 1, names, entities });
}
