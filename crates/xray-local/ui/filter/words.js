//! The words of a filter expression, for colours and for completion. The program itself parses expressions.

/** @typedef {{ kind: "word" | "string" | "number" | "operator" | "other", from: number, to: number, text: string }} Word */

const PATTERN = /("(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?)|(\d+(?:\.\d+)?(?![\w.-]))|([A-Za-z_][\w.-]*)|([<>!]=|[=<>!])|(\S)/g;

/**
 * Splits an expression into words.
 * @param {string} text
 * @returns {Word[]}
 */
export function words(text) {
  const kinds = /** @type {const} */ (["string", "number", "word", "operator", "other"]);
  return Array.from(text.matchAll(PATTERN), (match) => {
    const kind = kinds[match.slice(1).findIndex((group) => group !== undefined)];
    return { kind, from: match.index, to: match.index + match[0].length, text: match[0] };
  });
}

export const BOOLEANS = ["fault", "error", "throttle", "ok", "partial"];
export const NUMBERS = ["duration", "responsetime", "http.status"];
export const TEXTS = ["http.method", "http.url", "http.useragent", "http.clientip", "user", "instance.id", "availabilityzone", "resource.arn", "group.name"];
const OTHERS = ["root", "inferred", "remote", "name", "type", "service", "edge", "annotation", "id", "account.id", "and", "or", "contains", "beginswith", "endswith", "true", "false"];
const KEYWORDS = new Set([...BOOLEANS, ...NUMBERS, ...TEXTS, ...OTHERS]);

/** Whether a word is one of the language's own. */
export function isKeyword(word) {
  const lower = word.toLowerCase();
  return KEYWORDS.has(lower) || lower.startsWith("annotation.") || lower.startsWith("rootcause.");
}

/** Writes a value as the language quotes it. */
export function quote(value) {
  return `"${String(value).replace(/[\\"]/g, "\\$&")}"`;
}

/** Adds a condition to an expression. */
export function and(expression, condition) {
  const filter = expression.trim();
  if (!filter) return condition;
  const mixed = words(filter).some((word) => word.text.toLowerCase() === "or");
  return `${mixed ? `(${filter})` : filter} AND ${condition}`;
}

/** Returns the expression for an annotation; a key with dots or blanks needs brackets. */
export function annotationTerm(key, value) {
  const name = /^\w+$/.test(key) ? `annotation.${key}` : `annotation[${key}]`;
  return `${name} = ${typeof value === "string" ? quote(value) : String(value)}`;
}
