//! What would be decided on a request: the first rule that matches, and why the earlier ones do not.

/**
 * @typedef {object} Rule as in X-Ray's API
 * @property {string} RuleName
 * @property {number} Priority
 * @property {number} FixedRate
 * @property {number} ReservoirSize
 * @property {string} [ServiceName]
 * @property {string} [ServiceType]
 * @property {string} [Host]
 * @property {string} [HTTPMethod]
 * @property {string} [URLPath]
 * @property {string} [ResourceARN]
 * @property {Record<string, string>} [Attributes]
 */

/** @typedef {{ service: string, type: string, host: string, method: string, path: string }} Question */

const CONDITIONS = /** @type {const} */ ([
  ["ServiceName", "service", "service"],
  ["ServiceType", "type", "type"],
  ["Host", "host", "host"],
  ["HTTPMethod", "method", "method"],
  ["URLPath", "path", "path"],
]);

/** Sorts rules as SDKs test them: by priority, then by name; `Default` is the last. */
export function inOrder(rules) {
  const last = (rule) => (rule.RuleName === "Default" ? 1 : 0);
  return [...rules].sort((a, b) => last(a) - last(b) || a.Priority - b.Priority || (a.RuleName < b.RuleName ? -1 : 1));
}

/**
 * Tests rules in order. Each verdict has the reason why a rule does not match, or null for the one that does.
 * @param {Rule[]} rules
 * @param {Question} question
 * @returns {{ rule: Rule, reason: string | null }[]} up to the rule that matches
 */
export function decide(rules, question) {
  const verdicts = [];
  for (const rule of inOrder(rules)) {
    const reason = mismatch(rule, question);
    verdicts.push({ rule, reason });
    if (reason === null) break;
  }
  return verdicts;
}

function mismatch(rule, question) {
  for (const [member, key, name] of CONDITIONS) {
    const pattern = rule[member] ?? "*";
    if (!wildcard(pattern, question[key])) return `${name} ${question[key] ? `“${question[key]}”` : "(empty)"} does not match ${pattern}`;
  }
  const attributes = Object.entries(rule.Attributes ?? {});
  if (attributes.length) return `it asks for the ${attributes.length === 1 ? "attribute" : "attributes"} ${attributes.map(([key, value]) => `${key} = ${value}`).join(", ")}`;
  return null;
}

/** Whether a text matches a pattern with `*` and `?`; case does not matter. */
export function wildcard(pattern, text) {
  const [p, t] = [pattern.toLowerCase(), text.toLowerCase()];
  let [i, j, star, mark] = [0, 0, -1, 0];
  while (j < t.length) {
    if (i < p.length && p[i] === "*") [star, mark, i] = [i, j, i + 1];
    else if (i < p.length && (p[i] === "?" || p[i] === t[j])) [i, j] = [i + 1, j + 1];
    else if (star >= 0) [i, mark, j] = [star + 1, mark + 1, mark + 1];
    else return false;
  }
  while (p[i] === "*") i += 1;
  return i === p.length;
}

/** Writes the conditions of a rule in a few words; an empty list means every request. */
export function conditions(rule) {
  const found = CONDITIONS.filter(([member]) => (rule[member] ?? "*") !== "*").map(([member, , name]) => ({ name, pattern: rule[member] }));
  for (const [key, value] of Object.entries(rule.Attributes ?? {})) found.push({ name: key, pattern: value });
  return found;
}
