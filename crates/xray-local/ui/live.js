//! What the program sends by itself: traces that changed, its counters, and that sampling rules changed. Closed while the tab is
//! hidden, since a browser opens only six connections to one host.

/**
 * @typedef {"traces" | "stats" | "rules" | "state" | "resumed"} LiveEvent
 * `rules`: sampling rules changed; `resumed`: connected again, and events were missed
 */

const KINDS = ["traces", "stats", "rules"];

const target = new EventTarget();
let paused = false;
let filter = "";
let interrupted = false;
/** @type {EventSource | null} */
let source = null;
/** @type {"connecting" | "live" | "paused" | "off"} */
let state = "connecting";

/**
 * Listens to an event; returns the function that ends it.
 * @param {LiveEvent} kind
 * @param {(data: any) => void} listener
 */
export function onLive(kind, listener) {
  const wrapped = (event) => listener(event.detail);
  target.addEventListener(kind, wrapped);
  return () => target.removeEventListener(kind, wrapped);
}

export const liveState = () => (paused && state === "live" ? "paused" : state);
export const isPaused = () => paused;

/** Pauses or resumes the list. Counters stay live. */
export function setPaused(value) {
  paused = value;
  emit("state", liveState());
}

/** Restricts the traces that are sent to those that match a filter. */
export function setLiveFilter(value) {
  if (value === filter) return;
  filter = value;
  if (!source) return;
  source.close();
  source = null;
  connect();
}

/** Connects, and reconnects whenever the tab is shown. */
export function startLive() {
  document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
  if (!document.hidden) connect();
}

function connect() {
  if (source) return;
  source = new EventSource(`/api/events?filter=${encodeURIComponent(filter)}`);
  source.onopen = () => {
    change("live");
    if (interrupted) emit("resumed");
    interrupted = false;
  };
  source.onerror = () => {
    interrupted = true;
    change("off");
  };
  for (const kind of KINDS) {
    source.addEventListener(kind, (event) => {
      emit(kind, event.data ? JSON.parse(event.data) : null);
    });
  }
}

function disconnect() {
  interrupted = true;
  source?.close();
  source = null;
  change("connecting");
}

function change(next) {
  if (state === next) return;
  state = next;
  emit("state", liveState());
}

function emit(kind, detail) {
  target.dispatchEvent(new CustomEvent(kind, { detail }));
}
