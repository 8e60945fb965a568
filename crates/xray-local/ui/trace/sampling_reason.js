//! Why a request was sampled, as far as its segment says.

import { call, request } from "../api.js";
import { h } from "../dom.js";
import * as format from "../format.js";
import { inOrder } from "../sampling/decide.js";

/** Returns the reason for the details of a root segment, or null for other entities. */
export function samplingReason(json) {
  if (json.type === "subsegment" || !json.trace_id) return null;
  if (json.parent_id) return "decided by the caller";
  // The SDKs for Node.js and Java say `rule_name`.
  const rule = json.aws?.xray?.sampling_rule_name ?? json.aws?.xray?.rule_name;
  if (typeof rule !== "string" || !rule) return "the SDK did not say why";
  const now = h("span", { class: "faint" });
  describe(rule).then((text) => (now.textContent = text), () => {});
  return ["by rule ", h("a", { href: `/sampling/${encodeURIComponent(rule)}` }, format.plain(rule, 100)), now];
}

/** Says what the rule is now; it may have been another one when it decided. */
async function describe(name) {
  const [{ SamplingRuleRecords: records }, users] = await Promise.all([call("GetSamplingRules"), request("/api/sampling").catch(() => null)]);
  const rules = inOrder(records.map(({ SamplingRule: rule }) => rule));
  const place = rules.findIndex(({ RuleName }) => RuleName === name);
  if (place < 0) return " (not one of the rules here)";
  const { ReservoirSize, FixedRate } = rules[place];
  const own = (users?.clients ?? []).filter((client) => client.rule === name);
  const quotas = own.length ? `; quotas now: ${own.map(({ quota }) => quota ?? 0).join(" + ")} per second` : "";
  return `, number ${place + 1} of ${rules.length}: ${ReservoirSize} per second and ${format.percent(FixedRate)} of the rest${quotas}`;
}
