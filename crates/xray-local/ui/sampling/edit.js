//! The dialog that edits a sampling rule.

import { h } from "../dom.js";
import { icon } from "../icons.js";
import { readAttributes, writeAttributes } from "./attributes.js";

const FIELDS = [
  { member: "RuleName", title: "Name", type: "text", value: "", only: "new", hint: "at most 32 characters" },
  { member: "Priority", title: "Priority", type: "number", value: 100, min: 1, max: 9999, hint: "1 is tested first" },
  { member: "ReservoirSize", title: "Reservoir", type: "number", value: 1, min: 0, hint: "requests per second that are always sampled", basic: true },
  { member: "FixedRate", title: "Rate of the rest", type: "number", value: 0.05, min: 0, max: 1, step: "any", hint: "from 0 to 1", basic: true },
  { member: "ServiceName", title: "Service", type: "text", value: "*" },
  { member: "ServiceType", title: "Type", type: "text", value: "*" },
  { member: "Host", title: "Host", type: "text", value: "*" },
  { member: "HTTPMethod", title: "Method", type: "text", value: "*" },
  { member: "URLPath", title: "Path", type: "text", value: "*" },
  { member: "ResourceARN", title: "Resource ARN", type: "text", value: "*" },
];

/**
 * Opens the dialog.
 * @param {import("./decide.js").Rule | null} rule null for a new one
 * @param {(changes: any) => Promise<void>} save
 */
export function editRule(rule, save) {
  const isDefault = rule?.RuleName === "Default";
  const fields = FIELDS.filter(({ only, basic }) => (only !== "new" || !rule) && (!isDefault || basic));
  const inputs = fields.map((field) => {
    const { member, type, min, max, step } = field;
    return /** @type {HTMLInputElement} */ (h("input", { class: "input", id: `rule-${member}`, type, value: String(rule?.[member] ?? field.value), min, max, step, required: true, spellcheck: "false", "aria-describedby": field.hint ? `hint-${member}` : null }));
  });
  const attributes = /** @type {HTMLTextAreaElement} */ (h("textarea", { class: "input", id: "rule-Attributes", rows: 2, value: writeAttributes(rule?.Attributes), spellcheck: "false", placeholder: "tier = gold", "aria-describedby": "hint-Attributes" }));
  const failure = h("p", { class: "form-failure", role: "alert", hidden: true });
  const form = h(
    "form",
    { class: "dialog-body rule-form", novalidate: true, onsubmit: submit },
    fields.map((field, i) => h("div", { class: "field" }, h("label", { htmlFor: `rule-${field.member}` }, field.title), inputs[i], field.hint && h("span", { class: "faint", id: `hint-${field.member}` }, field.hint))),
    !isDefault && h("div", { class: "field whole" }, h("label", { htmlFor: "rule-Attributes" }, "Attributes"), attributes, h("span", { class: "faint", id: "hint-Attributes" }, "one key = value a line; a request must have all of them")),
    failure,
    h("div", { class: "form-actions" }, h("button", { class: "button", type: "button", onclick: () => dialog.close() }, "Cancel"), h("button", { class: "button primary", type: "submit" }, rule ? "Save" : "Add")),
  );
  const dialog = /** @type {HTMLDialogElement} */ (
    h(
      "dialog",
      { "aria-labelledby": "rule-title", onclose: () => dialog.remove() },
      h("div", { class: "dialog-head" }, h("h2", { id: "rule-title" }, rule ? `Edit ${rule.RuleName}` : "Add a rule"), h("button", { class: "icon-button", "aria-label": "Close", onclick: () => dialog.close() }, icon("close"))),
      form,
    )
  );

  async function submit(event) {
    event.preventDefault();
    const wrong = inputs.findIndex((input) => !input.checkValidity());
    if (wrong >= 0) return fail(`${fields[wrong].title}: ${inputs[wrong].validationMessage}`, inputs[wrong]);
    const changes = Object.fromEntries(fields.map(({ member, type }, i) => [member, type === "number" ? Number(inputs[i].value) : inputs[i].value.trim()]));
    if (!isDefault) {
      try {
        changes.Attributes = readAttributes(attributes.value);
      } catch (error) {
        return fail(`Attributes: ${error.message}`, attributes);
      }
    }
    try {
      await save(changes);
      dialog.close();
    } catch (error) {
      fail(error.message);
    }
  }

  function fail(message, input) {
    failure.hidden = false;
    failure.textContent = message;
    input?.focus();
  }

  document.body.append(dialog);
  dialog.showModal();
  inputs[0].select();
}
