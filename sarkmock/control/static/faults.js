// Faults: their list, and the form that adds one.

import { call, get } from "./api.js";
import { attempt, button, field, h, select } from "./dom.js";
import { DataTable } from "./table.js";

// Effect -> its label, the control that asks for its value, and how that value is read.
const EFFECTS = {
  latency: ["Latency only", null],
  status: ["A status", () => number({ min: 400, max: 599, value: "500" }), "Status"],
  html: ["A web server's error page", () => number({ min: 400, max: 599, value: "502" }), "Status"],
  drop: ["Dropped connection", () => select([["before", "before the request is carried out"], ["after", "after the request is carried out"]]), "When"],
  truncate: ["Truncated body", () => number({ min: 1, value: "20" }), "Bytes sent"],
  throttle: ["429, throttled", () => number({ min: 1, max: 60, value: "60" }), "Seconds to wait"],
  pbx: ["PBX not running", null, null, "stopped"],
  locked: ["Database locked", null, null, true],
  deviation: ["A deviation of the product", () => h("input", { required: true, list: "deviations", placeholder: "cosclose-delete-crashes" }), "Deviation"],
};

export function faults() {
  const table = new DataTable({ label: "Faults", stacked: true, searchable: false, empty: "No faults.", columns: [
    { key: "id", label: "Fault", class: "tight", cell: (fault) => h("code", {}, fault.id) },
    { key: "operation", label: "Operation", class: "tight", cell: (fault) => h("code", {}, fault.operation) },
    { key: "what", label: "Effect", text: what, cell: (fault) => what(fault) },
    { key: "hits", label: "Hits", class: "number tight" },
    { key: "left", label: "Left", class: "number tight", cell: (fault) => fault.left ?? "∞" },
    { key: "remove", label: "Remove", class: "tight", fixed: true, text: () => "", cell: (fault) =>
      button("Remove", () => change("DELETE", `faults/${encodeURIComponent(fault.id)}`), { "aria-label": `Remove ${fault.id}` }) },
  ] });
  const refresh = async () => table.show(await get("faults"));
  const change = (method, path, body) => attempt(async () => { await call(method, path, body); await refresh(); });
  const element = h("section", {},
    h("div", { class: "title" }, h("h2", {}, "Faults"),
      h("div", { class: "actions" }, button("Remove all", () => change("DELETE", "faults"), { class: "danger" }))),
    form((fault) => change("POST", "faults", fault)), table.element);
  return { element, refresh };
}

function number(attributes) {
  return h("input", { type: "number", required: true, ...attributes });
}

function form(add) {
  const operation = h("input", { list: "operations", placeholder: "* (all)" });
  const effect = select(Object.entries(EFFECTS).map(([key, [label]]) => [key, label]), { value: "status" });
  const latency = h("input", { placeholder: "0.2, 0.1..0.5, 0.2~0.5", size: 14 });
  const times = h("input", { type: "number", min: 1, placeholder: "unlimited" });
  const probability = h("input", { type: "number", min: 0.01, max: 1, step: "any", placeholder: "1" });
  const place = h("span");
  let value = null;
  const choose = () => {
    const [, control, hint] = EFFECTS[effect.value];
    value = control?.() ?? null;
    place.replaceChildren(...(value ? [field(hint, value)] : []));
  };
  effect.addEventListener("change", choose);
  choose();
  const submit = async (event) => {
    event.preventDefault();
    const fault = { ...given("operation", operation), ...effectOf(effect.value, value), ...given("latency", latency, numeric),
      ...given("times", times, Number), ...given("probability", probability, Number) };
    if (await add(fault)) operation.focus();
  };
  return h("form", { class: "fields card", onsubmit: submit, "aria-label": "Add a fault" },
    field("Operation", operation), field("Effect", effect), place, field("Latency, seconds", latency),
    field("Times", times), field("Probability", probability), h("button", { class: "primary" }, "Add"));
}

const given = (name, input, read = String) => (input.value.trim() ? { [name]: read(input.value.trim()) } : {});
const numeric = (text) => (/^[0-9.]+$/.test(text) && !text.includes("..") ? Number(text) : text);

function effectOf(name, control) {
  if (name === "latency") return {};
  const constant = EFFECTS[name][3];
  return { [name]: constant ?? (control.type === "number" ? Number(control.value) : control.value) };
}

function what(fault) {
  const { id, operation, hits, left, times, probability, ...rest } = fault;
  const parts = Object.entries(rest).map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`);
  return [...parts, times && `${times} times`, probability < 1 && `probability ${probability}`].filter(Boolean).join(", ");
}
