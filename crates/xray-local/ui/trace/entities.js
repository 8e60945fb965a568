//! The entities in a trace's documents: the JSON that was received for each of them.

/**
 * @typedef {object} Received
 * @property {any} json without `subsegments`
 * @property {number} document index of the document it is from
 * @property {number} depth in its document
 */

/**
 * Collects the best version of each entity: a final one replaces one in progress.
 * @param {any[]} documents parsed; null for those that are not JSON
 * @returns {Map<string, Received>}
 */
export function receivedEntities(documents) {
  /** @type {Map<string, Received>} */
  const found = new Map();
  documents.forEach((document, index) => {
    const stack = [{ value: document, depth: 0 }];
    while (stack.length) {
      const { value, depth } = stack.pop();
      if (!value || typeof value !== "object") continue;
      const { subsegments, ...json } = value;
      const known = found.get(json.id);
      if (typeof json.id === "string" && (!known || known.json.in_progress || !json.in_progress)) found.set(json.id, { json, document: index, depth });
      if (Array.isArray(subsegments)) for (const child of subsegments) stack.push({ value: child, depth: depth + 1 });
    }
  });
  return found;
}

/** Parses documents; those that cannot be parsed are null. */
export function parseDocuments(documents) {
  return documents.map(({ text }) => {
    try {
      return JSON.parse(text);
    } catch {
      return null;
    }
  });
}
