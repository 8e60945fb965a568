//! Why a request was sampled, as far as its segment says.

import { h } from "../dom.js";
import * as format from "../format.js";

/** Returns the reason for the details of a root segment, or null for other entities. */
export function samplingReason(json) {
  if (json.type === "subsegment" || !json.trace_id) return null;
  if (json.parent_id) return "decided by the caller";
  const rule = json.aws?.xray?.sampling_rule_name;
  if (typeof rule === "string" && rule) return ["by rule ", h("a", { href: `/sampling/${encodeURIComponent(rule)}` }, format.plain(rule, 100))];
  return "the SDK did not say why";
}
