//! A colour for each service: the same on all pages, and different ones as long as there are any.

const COLORS = 8;

/** @type {Map<string, number>} */
const known = new Map();

/** Returns the colour of a service as a CSS value. */
export function serviceColor(name) {
  let slot = known.get(name);
  if (slot === undefined) {
    slot = chooseSlot(name, [...known.values()]);
    known.set(name, slot);
  }
  return `var(--s${slot})`;
}

/**
 * Returns the slot that a hash of the name prefers or, if it is taken, the next of those that are taken least.
 * @param {string} name
 * @param {number[]} taken
 */
export function chooseSlot(name, taken) {
  let hash = 2166136261;
  for (let i = 0; i < Math.min(name.length, 200); i += 1) hash = Math.imul(hash ^ name.charCodeAt(i), 16777619);
  const uses = Array.from({ length: COLORS }, (_, slot) => taken.filter((other) => other === slot).length);
  const least = Math.min(...uses);
  let slot = (hash >>> 0) % COLORS;
  while (uses[slot] > least) slot = (slot + 1) % COLORS;
  return slot;
}
