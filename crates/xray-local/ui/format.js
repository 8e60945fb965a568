//! Numbers, times and foreign text, as the page shows them.

/** Formats microseconds: `340 µs`, `12.4 ms`, `4.12 s`, `3 min 20 s`. */
export function duration(micros) {
  if (micros === null || micros === undefined || Number.isNaN(micros)) return "–";
  const sign = micros < 0 ? "−" : "";
  const time = Math.abs(micros);
  if (time < 1) return "0 ms";
  if (time < 999.5) return `${sign}${Math.round(time)} µs`;
  if (time < 9_995) return `${sign}${trim(time / 1e3, 2)} ms`;
  if (time < 99_950) return `${sign}${trim(time / 1e3, 1)} ms`;
  if (time < 999_500) return `${sign}${Math.round(time / 1e3)} ms`;
  if (time < 9_995_000) return `${sign}${trim(time / 1e6, 2)} s`;
  if (time < 59_950_000) return `${sign}${trim(time / 1e6, 1)} s`;
  const seconds = Math.round(time / 1e6);
  if (seconds < 3600) return `${sign}${Math.floor(seconds / 60)} min${seconds % 60 ? ` ${seconds % 60} s` : ""}`;
  return `${sign}${Math.floor(seconds / 3600)} h${Math.floor((seconds % 3600) / 60) ? ` ${Math.floor((seconds % 3600) / 60)} min` : ""}`;
}

function trim(value, digits) {
  return String(Number(value.toFixed(digits)));
}

const INTEGER = new Intl.NumberFormat("en");

/** Formats a whole number with separators. */
export function count(value) {
  return INTEGER.format(value ?? 0);
}

const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** Formats a whole number where there is little room: `9.8K`. */
export function compact(value) {
  return COMPACT.format(value ?? 0);
}

/** Formats a number of things: `1 trace`, `3 traces`. */
export function plural(value, one, many = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** Formats bytes: `812 B`, `1.9 KB`, `64 MiB` as `64 MB`. */
export function bytes(value) {
  if (value < 1000) return `${value} B`;
  const units = ["KB", "MB", "GB"];
  let unit = -1;
  do {
    value /= 1000;
    unit += 1;
  } while (value >= 999.5 && unit < units.length - 1);
  return `${value < 10 ? trim(value, 1) : Math.round(value)} ${units[unit]}`;
}

/** Formats a share between 0 and 1. */
export function percent(share) {
  if (!Number.isFinite(share)) return "–";
  const value = share * 100;
  if (value > 0 && value < 0.1) return "< 0.1 %";
  return `${trim(value, value < 10 ? 1 : 0)} %`;
}

const two = (value) => String(value).padStart(2, "0");

/** Formats the time of day of an epoch time in microseconds, with milliseconds. Another day is written out. */
export function clock(micros, now = Date.now()) {
  const date = new Date(micros / 1e3);
  if (Number.isNaN(date.getTime())) return "–";
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, "0")}`;
  return new Date(now).toDateString() === date.toDateString() ? time : `${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`;
}

/** Formats an epoch time in microseconds as ISO 8601. */
export function iso(micros) {
  const date = new Date(micros / 1e3);
  return Number.isNaN(date.getTime()) ? "an impossible time" : date.toISOString();
}

// Control characters, and characters that change the direction of the text around them.
const UNSEEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;

/**
 * Returns received text that can be shown anywhere: characters that are invisible or reorder others are written as `⟨202E⟩`,
 * and more than `limit` characters are cut.
 * @param {unknown} text
 */
export function plain(text, limit = 300) {
  const string = String(text ?? "");
  const cut = string.length > limit ? `${string.slice(0, limit)}…` : string;
  return cut.replace(UNSEEN, (char) => `⟨${char.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
}

/** Returns the part of a URL that distinguishes requests: path and query, and the host if `withHost` is set. */
export function urlPath(url, withHost = false) {
  const match = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)([^#]*)/i.exec(url ?? "");
  if (!match) return url ?? "";
  return withHost ? match[1] + match[2] : match[2] || "/";
}
