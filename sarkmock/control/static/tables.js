// The tables of the PBX, with an editor for rows. Rows are fetched again only when they may have changed.

import { call, get } from "./api.js";
import { attempt, button, field, h, modal } from "./dom.js";
import { poll } from "./polling.js";
import { DataTable } from "./table.js";

const EVERY = 2000;

export async function tables(main, [chosen], signal) {
  const names = h("ul", { class: "list" });
  const all = h("input", { type: "checkbox", id: "all-columns", onchange: () => show() });
  let known = [], rows = [], seen = null;

  const table = new DataTable({ label: `Rows of ${chosen}`, columns: [], empty: "The table has no rows.", open: (row) => edit(row) });
  const show = () => table.show(rows, columnsOf(known.find((one) => one.name === chosen), rows, all.checked));
  const edit = (row) => editor(known.find((one) => one.name === chosen), row, () => { seen = null; return again(); });
  const again = async () => {
    const [found, requests] = await Promise.all([get("state/tables"), requestsSoFar()]);
    if (signal.aborted) return;
    known = found;
    names.replaceChildren(...known.map((one) => entry(one, one.name === chosen)));
    if (seen === null) names.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
    const now = `${requests} ${known.find((one) => one.name === chosen)?.rows}`;
    if (!chosen || now === seen) return;
    rows = await get(`state/tables/${encodeURIComponent(chosen)}`);
    seen = now;
    if (!signal.aborted) show();
  };

  main.append(
    h("div", { class: "title" }, h("h1", {}, "Tables"), chosen && h("code", {}, chosen),
      chosen && h("div", { class: "actions" }, all, h("label", { for: "all-columns" }, "All columns"))),
    h("div", { class: "split" }, h("nav", { class: "card", "aria-label": "Tables" }, names),
      chosen ? table.element : h("p", { class: "muted" }, "Choose a table.")));
  await poll(again, EVERY, signal);
}

// A number that changes with every request to the API; without a journal, with every call.
const requestsSoFar = () => get("journal?limit=1").then((found) => found.count, () => performance.now());

function entry({ name, rows }, current) {
  return h("li", {}, h("a", { href: `#tables/${encodeURIComponent(name)}`, "aria-current": current && "page" },
    h("span", {}, name), h("span", { class: "count" }, rows.toLocaleString("en"))));
}

// The key and the columns in which any row has a value.
function columnsOf({ key, columns }, rows, all) {
  const telling = (name) => rows.some((row) => row[name] !== null && row[name] !== "");
  const shown = columns.filter((name) => all || key.includes(name) || telling(name));
  return [...key, ...shown.filter((name) => !key.includes(name))].map((name) => ({ key: name, label: name, class: "short" }));
}

// An editor for a row with all columns; an emptied field becomes null.
function editor({ name, key, columns }, row, changed) {
  const path = `state/tables/${[name, ...key.map((column) => row[column])].map(encodeURIComponent).join("/")}`;
  const inputs = columns.map((column) => h("input", { name: column, value: row[column] ?? "", placeholder: "null",
    disabled: key.includes(column), autocomplete: "off" }));
  const send = (method, body) => attempt(async () => {
    await call(method, path, body);
    dialog.close();
    await changed();
  });
  const save = (event) => {
    event.preventDefault();
    const edited = inputs.filter((input) => input.value !== String(row[input.name] ?? ""));
    if (!edited.length) return dialog.close();
    send("PATCH", Object.fromEntries(edited.map((input) => [input.name, input.value === "" ? null : input.value])));
  };
  const dialog = modal([h("code", {}, `${name} ${key.map((column) => row[column]).join(" ")}`)],
    h("form", { onsubmit: save },
      h("div", { class: "columns" }, columns.map((column, index) => field(column, inputs[index]))),
      h("div", { class: "actions" },
        button("Remove the row", () => send("DELETE"), { class: "danger" }), h("button", { class: "primary" }, "Save"))));
}
