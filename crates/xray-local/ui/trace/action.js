//! What an entity does, without what can be understood from the rest of its row.

import * as format from "../format.js";

/** Returns an action with the path of its URL only. */
export function shortAction(action) {
  const [method, url] = action.split(" ", 2);
  const isRequest = url && /^[a-z]+:\/\//i.test(url) && action.length === method.length + 1 + url.length;
  return format.plain(isRequest ? `${method} ${format.urlPath(url)}` : action, 160);
}
