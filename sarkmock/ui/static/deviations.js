// Where the published product differs from its page, and each difference as a fault to try a client on.

import { call, get } from "./api.js";
import { attempt, button, h } from "./dom.js";
import { DataTable } from "./table.js";

const KINDS = { breaks: "bad", surprises: "warn", cosmetic: "" };

export async function deviations(main) {
  let on = new Set();
  const table = new DataTable({ label: "Deviations", columns: [
    { key: "id", label: "Deviation", class: "tight", cell: (one) => h("code", {}, one.id) },
    { key: "severity", label: "Severity", class: "tight", cell: (one) => h("span", { class: `badge ${KINDS[one.severity]}` }, one.severity) },
    { key: "summary", label: "What happens", text: (one) => `${one.summary} ${one.reason} ${one.unseen}`, cell: told },
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
      h("p", { class: "muted" }, "What the published SARK does differently from its page. Switched on, the mock answers like a firmware that has that one.")),
    table.element);
  const [all, active, { profile }] = await Promise.all([get("deviations"), switchedOn(), get("profile")]);
  on = active;
  if (profile !== "documented") table.element.before(h("p", { class: "note" }, `The mock answers as ${profile}: switches matter to documented alone.`));
  table.show(all);
}

const switchedOn = async () => new Set((await get("faults")).filter((fault) => fault.deviation).map((fault) => fault.id));

function told(one) {
  return [one.summary, h("details", {}, h("summary", {}, "Why we believe it"), h("p", {}, one.reason),
    one.unseen && h("p", {}, one.unseen),
    h("p", { class: "muted" }, "It changes ", one.pointers.map((pointer, index) => [index ? ", " : "", h("code", {}, pointer)])))];
}
