//! Elements. Everything that was received enters the page here, as text nodes and checked attributes, never as markup.

/** @typedef {Node | string | number | null | undefined | false | Child[]} Child */

const SVG = "http://www.w3.org/2000/svg";
const PROPERTIES = new Set(["value", "checked", "disabled", "hidden", "selected", "tabIndex", "open", "title", "htmlFor"]);

/**
 * Creates an HTML element.
 * `onclick` and its like add listeners, names that begin with `--` set custom properties, everything else is an attribute.
 * @param {string} tag
 * @param {Record<string, any>} [props]
 * @param {...Child} children
 * @returns {HTMLElement}
 */
export function h(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** Creates an SVG element; see {@link h}. */
export function svg(tag, props, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

/** Sets properties of an element as {@link h} does. */
export function set(element, props) {
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.startsWith("--")) element.style.setProperty(name, value);
    else if (PROPERTIES.has(name) && !(element instanceof SVGElement)) element[name] = value ?? "";
    else if (value === null || value === undefined || value === false) element.removeAttribute(name);
    else if (name === "href") setLink(element, String(value));
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  return element;
}

/** Replaces the children of an element. */
export function replace(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

/** Replaces the children of an element as {@link replace} does; the child with the same `data-key` keeps the focus. */
export function redraw(element, ...children) {
  const focused = element.contains(document.activeElement) ? document.activeElement.getAttribute("data-key") : null;
  replace(element, ...children);
  if (focused === null) return;
  for (const child of element.querySelectorAll("[data-key]")) if (child.getAttribute("data-key") === focused) child.focus({ preventScroll: true });
}

function fill(element, props, children) {
  if (props) set(element, props);
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children) {
    if (Array.isArray(child)) append(element, child);
    else if (child !== null && child !== undefined && child !== false) element.append(child);
  }
}

/** Links lead to http(s) only; anything else stays text. */
function setLink(element, href) {
  const url = URL.canParse(href, location.href) ? new URL(href, location.href) : null;
  if (url?.protocol !== "http:" && url?.protocol !== "https:") return;
  element.setAttribute("href", href);
  if (url.origin !== location.origin) {
    element.setAttribute("target", "_blank");
    element.setAttribute("rel", "noopener noreferrer");
  }
}
