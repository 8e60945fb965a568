//! A scrolling list that keeps only the visible rows in the document.

/**
 * @typedef {object} Source
 * @property {number} rowHeight pixels
 * @property {() => HTMLElement} create makes an empty row
 * @property {(row: HTMLElement, index: number) => void} render fills a row
 * @property {(index: number) => unknown} [key] identifies what a row shows, so that it keeps its element when it moves
 */

const OVERSCAN = 8;

export class VirtualRows {
  /**
   * @param {HTMLElement} viewport scrolls
   * @param {HTMLElement} body holds the rows, and has the height of all of them
   * @param {Source} source
   */
  constructor(viewport, body, source) {
    this.viewport = viewport;
    this.body = body;
    this.source = source;
    this.count = 0;
    /** @type {Map<unknown, { element: HTMLElement, index: number }>} by key */
    this.shown = new Map();
    /** @type {HTMLElement[]} */
    this.spare = [];
    this.frame = 0;
    this.stale = false;
    viewport.addEventListener("scroll", () => this.schedule(), { passive: true });
    this.observer = new ResizeObserver(() => this.schedule());
    this.observer.observe(viewport);
  }

  /** Sets the number of rows and draws all visible ones again, at once. */
  setCount(count) {
    if (count !== this.count) {
      this.count = count;
      this.body.style.setProperty("height", `${count * this.source.rowHeight}px`);
    }
    this.stale = true;
    this.draw();
  }

  /** Draws the visible rows again with the next frame. */
  refresh() {
    this.stale = true;
    this.schedule();
  }

  schedule() {
    this.frame ||= requestAnimationFrame(() => this.draw());
  }

  /** Draws at once. */
  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const [first, last] = this.range();
    const before = this.shown;
    this.shown = new Map();
    for (let index = first; index < last; index += 1) {
      const key = this.source.key?.(index) ?? index;
      this.shown.set(key, before.get(key) ?? { element: null, index: -1 });
      before.delete(key);
    }
    for (const { element } of before.values()) this.spare.push(element);
    let index = first;
    for (const row of this.shown.values()) {
      const moved = row.index !== index;
      row.element ??= this.spare.pop() ?? this.source.create();
      if (moved) row.element.style.setProperty("transform", `translateY(${index * this.source.rowHeight}px)`);
      row.index = index;
      if (moved || this.stale) this.source.render(row.element, index);
      if (!row.element.isConnected) this.body.append(row.element);
      index += 1;
    }
    // Rows that are not needed leave the document, so that nothing but what is seen can be found in it.
    for (const row of this.spare) row.remove();
    this.stale = false;
  }

  /** The indices from the first visible row to after the last one. */
  visible() {
    const { rowHeight } = this.source;
    const top = this.viewport.scrollTop;
    const height = this.viewport.clientHeight - this.body.offsetTop;
    return [Math.floor(top / rowHeight), Math.min(this.count, Math.ceil((top + Math.max(0, height)) / rowHeight))];
  }

  range() {
    const [first, last] = this.visible();
    return [Math.max(0, Math.min(first, this.count) - OVERSCAN), Math.min(this.count, last + OVERSCAN)];
  }

  /** Scrolls as little as needed to show a row whole; `centre` puts a row that is not visible into the middle. */
  reveal(index, { centre = false } = {}) {
    const { rowHeight } = this.source;
    const height = this.viewport.clientHeight - this.body.offsetTop;
    const top = index * rowHeight;
    const { scrollTop } = this.viewport;
    if (top >= scrollTop && top + rowHeight <= scrollTop + height) return this.draw();
    if (centre) this.viewport.scrollTop = top - height / 2;
    else this.viewport.scrollTop = top < scrollTop ? top : top + rowHeight - height;
    this.draw();
  }

  /** The number of rows that fit, for the keys PgUp and PgDn. */
  pageSize() {
    const height = this.viewport.clientHeight - this.body.offsetTop;
    return Math.max(1, Math.floor(height / this.source.rowHeight) - 1);
  }

  close() {
    this.observer.disconnect();
    cancelAnimationFrame(this.frame);
  }
}
