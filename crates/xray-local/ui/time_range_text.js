//! Time ranges as text: for the address, for the button, and for the fields of the dialog.

export const RANGES = [
  ["PT5M", "Last 5 minutes"],
  ["PT15M", "Last 15 minutes"],
  ["PT1H", "Last hour"],
  ["PT6H", "Last 6 hours"],
  ["P1D", "Last day"],
];

/** Names a range: `Last hour`, or its two times. */
export function rangeTitle(range) {
  if (!range) return "All time";
  const known = RANGES.find(([value]) => value === range);
  if (known) return known[1];
  const [from, to] = range.split("~").map((time) => new Date(time));
  if (to && !Number.isNaN(from.getTime()) && !Number.isNaN(to.getTime())) {
    const options = /** @type {const} */ ({ hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
    return `${from.toLocaleTimeString("en", options)} – ${to.toLocaleTimeString("en", options)}`;
  }
  return range;
}

/** Writes the range between two epoch times in microseconds. */
export function rangeBetween(from, to) {
  return `${new Date(from / 1e3).toISOString()}~${new Date(to / 1e3).toISOString()}`;
}

const two = (value) => String(value).padStart(2, "0");

/** Writes a time as a field of type `datetime-local` wants it: local time, with seconds. */
export function localTime(milliseconds) {
  const date = new Date(milliseconds);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/**
 * Reads the two fields of the dialog.
 * @returns {{ range?: string, error?: string }}
 */
export function readEnds(from, to) {
  const [first, last] = [new Date(from), new Date(to)];
  if (Number.isNaN(first.getTime())) return { error: "From is not a time" };
  if (Number.isNaN(last.getTime())) return { error: "To is not a time" };
  if (last <= first) return { error: "To must be later than From" };
  return { range: `${first.toISOString()}~${last.toISOString()}` };
}

/** The ends of a range in epoch milliseconds; of a duration, those it has now. */
export function endsOf(range, now = Date.now()) {
  const [from, to] = range.split("~").map((time) => new Date(time).getTime());
  if (from < to) return [from, to];
  const [, days = 0, hours = 0, minutes = 0] = /^P(?:(\d+)D)?T?(?:(\d+)H)?(?:(\d+)M)?$/.exec(range)?.map((part) => Number(part) || 0) ?? [];
  const length = ((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60_000;
  return [now - (length || 15 * 60_000), now];
}
