//! What X-Ray itself would refuse or cut, since xray-local accepts more.

import { count } from "../format.js";

const MAX_DOCUMENT = 64 * 1024;
const MAX_ANNOTATIONS = 50;
const MAX_NAME = 200;
const MAX_AGE_DAYS = 30;
const NAME = /^[\p{L}\p{N}\p{Zs}_.:/%&#=+\\\-@]*$/u;

/** @typedef {{ kind: "refused" | "cut" | "missing", entity: string | null, text: string }} Problem */

/**
 * Checks the documents of a trace.
 * @param {string} id of the trace
 * @param {number[]} sizes bytes of each document
 * @param {Map<string, import("./entities.js").Received>} entities
 * @param {number} [now] epoch milliseconds
 * @returns {Problem[]}
 */
export function problems(id, sizes, entities, now = Date.now()) {
  /** @type {Problem[]} */
  const found = [];
  const add = (kind, entity, text) => found.push({ kind, entity, text });

  const seconds = Number.parseInt(id.slice(2, 10), 16);
  const age = (now / 1000 - seconds) / 86_400;
  if (age > MAX_AGE_DAYS) add("refused", null, `The trace id is ${Math.floor(age)} days old; X-Ray refuses ids older than ${MAX_AGE_DAYS} days`);
  else if (age < -1 / 24) add("refused", null, "The time in the trace id is in the future");

  sizes.forEach((bytes, i) => {
    if (bytes > MAX_DOCUMENT) add("refused", null, `Document ${i + 1} has ${count(bytes)} bytes; X-Ray accepts at most ${count(MAX_DOCUMENT)}`);
  });

  let annotations = 0;
  const calledSegments = new Set([...entities.values()].map(({ json }) => json.parent_id).filter(Boolean));
  for (const [entity, { json, depth }] of entities) {
    const name = typeof json.name === "string" ? json.name : "";
    if (!name) add("refused", entity, "The name is empty");
    else if (name.length > MAX_NAME) add("cut", entity, `The name has ${count(name.length)} characters; X-Ray keeps ${MAX_NAME}`);
    else if (!NAME.test(name)) add("refused", entity, "The name has characters that X-Ray refuses (InvalidName)");
    if (typeof json.end_time === "number" && json.end_time < json.start_time) add("refused", entity, "It ends before it starts");
    if (depth === 0 && json.parent_id && !entities.has(json.parent_id)) add("missing", entity, `Its parent ${json.parent_id} has not arrived`);
    if (json.http?.request?.traced === true && !calledSegments.has(entity)) add("missing", entity, "The called service announced a segment that has not arrived");
    for (const [key, value] of Object.entries(json.annotations ?? {})) {
      annotations += 1;
      if (value === null || typeof value === "object") add("cut", entity, `The annotation ${key} is no text, number or boolean; X-Ray drops it`);
      if (!/^\w+$/.test(key)) add("cut", entity, `The annotation key ${key} has characters other than letters, digits and _`);
    }
    for (const [namespace, members] of Object.entries(json.metadata ?? {})) {
      const keys = members && typeof members === "object" ? Object.keys(members) : [];
      if (namespace.startsWith("AWS.") || keys.some((key) => key.startsWith("AWS."))) add("refused", entity, "Metadata keys that begin with AWS. are reserved");
    }
  }
  if (annotations > MAX_ANNOTATIONS) add("cut", null, `The trace has ${annotations} annotations; X-Ray indexes ${MAX_ANNOTATIONS}`);
  return found;
}
