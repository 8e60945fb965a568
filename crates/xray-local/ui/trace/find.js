//! Find: a text in all fields of all entities, since the browser's own search sees only the rows on screen.

export class Finder {
  /** @param {import("./model.js").TraceModel} trace */
  constructor(trace) {
    this.trace = trace;
    this.indexed = false;
    /** @type {string[] | null} lower-case text of each row; names and actions until {@link index} adds the rest */
    this.texts = null;
  }

  /**
   * Adds all fields.
   * @param {Map<string, import("./entities.js").Received>} entities
   */
  index(entities) {
    const texts = this.names();
    this.trace.ids.forEach((id, i) => {
      const entity = entities.get(id);
      if (entity) texts[i] = JSON.stringify(entity.json).toLowerCase();
    });
    this.indexed = true;
  }

  /** Returns the rows that contain a text, in order. */
  find(text) {
    const wanted = text.trim().toLowerCase();
    if (!wanted) return [];
    // Quotes and backslashes occur in JSON with a backslash.
    const escaped = JSON.stringify(wanted).slice(1, -1);
    const rows = [];
    this.names().forEach((content, i) => {
      if (content.includes(wanted) || content.includes(escaped)) rows.push(i);
    });
    return rows;
  }

  names() {
    const { trace } = this;
    this.texts ??= Array.from({ length: trace.count }, (_, i) => `${trace.name(i)}\n${trace.action(i)}`.toLowerCase());
    return this.texts;
  }
}
