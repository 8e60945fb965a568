//! What was lost on the way, with times: the program counts, and the page notes when a count grows.

import { count } from "./format.js";

/** @typedef {{ what: string, number: number, from: number | null, to: number }} Loss times in epoch milliseconds; `from` is null if it was before the page was opened */

const KINDS = [
  { what: "dropped by the kernel", read: (stats) => stats.lost.kernel },
  { what: "dropped because the queue was full", read: (stats) => stats.lost.queueFull },
  { what: "not forwarded", read: (stats) => stats.lost.notForwarded },
  { what: "refused without the daemon's header", read: (stats) => stats.refused.missingHeader },
  { what: "refused for a wrong header", read: (stats) => stats.refused.invalidHeader },
  { what: "refused because they are no documents", read: (stats) => stats.refused.invalidDocument },
];

/** Losses that follow each other within this time are one. */
const GAP = 5000;
const MAX_LOSSES = 50;

/** Collects losses from the program's counters. */
export class Losses {
  constructor() {
    /** @type {Loss[]} the newest last */
    this.list = [];
    /** @type {any} */
    this.last = null;
  }

  /** Everything that was lost so far. */
  get total() {
    return this.last ? KINDS.reduce((sum, { read }) => sum + read(this.last), 0) : 0;
  }

  /** Takes the counters of a moment. Returns whether something was lost since the last ones. */
  update(stats, now = Date.now()) {
    // A program that was started again counts from 0.
    const before = this.last && stats.uptime >= this.last.uptime ? this.last : null;
    let grown = false;
    for (const { what, read } of KINDS) {
      const number = read(stats) - (before ? read(before) : 0);
      if (number <= 0) continue;
      grown = true;
      const latest = this.list.findLast((loss) => loss.what === what);
      if (before && latest?.from && now - latest.to < GAP) {
        latest.number += number;
        latest.to = now;
      } else this.list.push({ what, number, from: before ? now : null, to: now });
    }
    this.list.splice(0, this.list.length - MAX_LOSSES);
    this.last = stats;
    return grown;
  }

  /** A line for each loss, the newest first. */
  lines() {
    const time = (milliseconds) => new Date(milliseconds).toLocaleTimeString("en", { hour12: false });
    const when = ({ from, to }) => (from === null ? `before ${time(to)}` : to - from < 1000 ? time(from) : `${time(from)} – ${time(to)}`);
    return this.list.map((loss) => ({ when: when(loss), text: `${count(loss.number)} ${loss.what}` })).reverse();
  }
}
