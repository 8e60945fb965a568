//! The attributes of a sampling rule, as lines of text.

/** Writes attributes as one `key = value` a line. */
export function writeAttributes(attributes = {}) {
  return Object.entries(attributes)
    .map(([key, value]) => `${key} = ${value}`)
    .join("\n");
}

/**
 * Reads lines of `key = value`; empty lines are skipped. Throws an error that names the first line that cannot be read.
 * @returns {Record<string, string>}
 */
export function readAttributes(text) {
  const found = {};
  text.split("\n").forEach((line, i) => {
    if (!line.trim()) return;
    const at = line.indexOf("=");
    const key = line.slice(0, Math.max(0, at)).trim();
    const value = line.slice(at + 1).trim();
    if (!key || !value) throw new Error(`line ${i + 1} is not of the form key = value`);
    if (Object.hasOwn(found, key)) throw new Error(`line ${i + 1} repeats the key ${key}`);
    Object.defineProperty(found, key, { value, enumerable: true });
  });
  return found;
}
