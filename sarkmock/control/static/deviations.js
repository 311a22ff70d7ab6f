// The deviations of the published product from the documentation, each to be switched on as a fault.

import { call, get } from "./api.js";
import { attempt, button, h } from "./dom.js";
import { DataTable } from "./table.js";

const KINDS = { breaks: "bad", surprises: "warn", cosmetic: "" };

export async function deviations(main) {
  let on = new Set();
  const table = new DataTable({ label: "Deviations", stacked: true, columns: [
    { key: "id", label: "Deviation", class: "tight", cell: (one) => h("code", {}, one.id) },
    { key: "severity", label: "Severity", class: "tight", cell: (one) => h("span", { class: `badge ${KINDS[one.severity]}` }, one.severity) },
    { key: "summary", label: "What happens", text: (one) => `${one.summary} ${one.reason} ${one.unseen}`, cell: details },
    { key: "on", label: "Switched on", fixed: true, text: () => "", cell: (one) =>
      button(on.has(one.id) ? "On" : "Off", () => turn(one), { "aria-pressed": String(on.has(one.id)), "aria-label": `${one.id} switched on` }) },
  ] });
  const turn = (one) => attempt(async () => {
    if (on.has(one.id)) await call("DELETE", `faults/${encodeURIComponent(one.id)}`);
    else await call("POST", "faults", { deviation: one.id, id: one.id });
    on = await switchedOn();
    table.render();
  });
  main.append(
    h("div", { class: "title" }, h("h1", {}, "Deviations"),
      h("p", { class: "muted" }, "Where the published SARK differs from its documentation. Switch a deviation on to test a client against it.")),
    table.element);
  const [all, active, { profile }] = await Promise.all([get("deviations"), switchedOn(), get("profile")]);
  on = active;
  if (profile !== "documented") table.element.before(h("p", { class: "note" }, `The mock serves ${profile}. Switches have an effect only on the profile documented.`));
  table.show(all);
}

const switchedOn = async () => new Set((await get("faults")).filter((fault) => fault.deviation).map((fault) => fault.id));

function details(one) {
  return [one.summary, h("details", {}, h("summary", {}, "Evidence"), h("p", {}, one.reason),
    one.unseen && h("p", {}, one.unseen),
    h("p", { class: "muted" }, "Changes ", one.pointers.map((pointer, index) => [index ? ", " : "", h("code", {}, pointer)])))];
}
