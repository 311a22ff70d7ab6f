// A table of any number of rows: sorted by its heads, filtered by text, one page at a time.

import { button, h } from "./dom.js";

const PAGE = 100;
const CONTROLS = "button, a, summary, input";
const collate = new Intl.Collator("en", { numeric: true, sensitivity: "base" }).compare;

// columns: [{key, label, text?(row), cell?(row), class?, fixed?}]; a fixed column cannot be sorted, and its label is for
// screen readers only. open(row) is called for the row that is selected. A stacked table shows rows as blocks on a
// narrow screen.
export class DataTable {
  constructor({ label, columns, open, empty = "Nothing here.", sort = null, searchable = true, stacked = false }) {
    Object.assign(this, { columns, open, empty, sort, label, searchable });
    this.rows = [];
    this.total = 0;
    this.stacks = new WeakMap();
    this.page = 0;
    this.needle = "";
    this.body = h("tbody");
    this.count = h("span", { class: "count", "aria-live": "polite" });
    this.pager = h("div", { class: "pager" });
    this.head = h("tr");
    this.search = h("input", { type: "search", placeholder: "Filter", "aria-label": `Filter ${label}`,
      oninput: (event) => this.filter(event.target.value) });
    this.element = h("div", { class: stacked ? "table stacked" : "table" },
      h("div", { class: "table-bar" }, searchable && this.search, this.count, this.pager),
      h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label },
        h("table", {}, h("caption", { class: "hidden" }, label), h("thead", {}, this.head), this.body)));
  }

  // total: how many rows there are, if these are only some of them.
  show(rows, columns = this.columns, total = rows.length) {
    this.rows = rows;
    this.total = total;
    this.columns = columns;
    this.stacks = new WeakMap();
    this.render();
  }

  showLast() {
    this.page = Infinity;
    this.render();
  }

  filter(text) {
    this.needle = text.toLowerCase();
    this.page = 0;
    this.render();
  }

  sortBy(key) {
    const down = this.sort?.key === key && !this.sort.down;
    this.sort = { key, down };
    this.render();
    this.head.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
  }

  // All that a row says, in lower case; worked out once.
  haystack(row) {
    if (!this.stacks.has(row)) this.stacks.set(row, this.columns.map((column) => text(row, column)).join("\n").toLowerCase());
    return this.stacks.get(row);
  }

  chosen() {
    const found = this.needle ? this.rows.filter((row) => this.haystack(row).includes(this.needle)) : this.rows;
    const column = this.sort && this.columns.find((one) => one.key === this.sort.key);
    if (!column) return found;
    const sign = this.sort.down ? -1 : 1;
    return found.map((row) => [value(row, column), row]).sort((a, b) => sign * compare(a[0], b[0])).map(([, row]) => row);
  }

  render() {
    const found = this.chosen();
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    this.page = Math.min(this.page, pages - 1);
    const first = this.page * PAGE;
    const shown = found.slice(first, first + PAGE);
    const focused = this.place(document.activeElement);
    this.head.replaceChildren(...this.columns.map((column) => this.heading(column)));
    this.body.replaceChildren(...(shown.length ? shown.map((row) => this.line(row)) : [this.nothing()]));
    if (focused) this.at(focused)?.focus();
    const total = Math.max(this.total, this.rows.length), all = total.toLocaleString("en");
    const part = found.length === total ? all : `${found.length.toLocaleString("en")} of ${all}`;
    this.count.textContent = `${part} ${total === 1 ? "row" : "rows"}`;
    this.turn(pages, first, first + shown.length);
  }

  // Where the focus is, so that it is there again when rows have come: the row's first column, and which of its controls.
  place(element) {
    const row = this.body.contains(element) && element.closest("tr");
    return row && { key: row.dataset.key, index: [...row.querySelectorAll(CONTROLS)].indexOf(element) };
  }

  at({ key, index }) {
    return this.body.querySelector(`tr[data-key="${CSS.escape(key)}"]`)?.querySelectorAll(CONTROLS)[index];
  }

  heading(column) {
    if (column.fixed) return h("th", { scope: "col" }, h("span", { class: "hidden" }, column.label));
    const sorted = this.sort?.key === column.key;
    const order = sorted ? (this.sort.down ? "descending" : "ascending") : "none";
    return h("th", { scope: "col", "aria-sort": order, class: column.class },
      button([column.label, sorted && h("span", { "aria-hidden": "true" }, this.sort.down ? "▼" : "▲")],
        () => this.sortBy(column.key), { "data-key": column.key }));
  }

  line(row) {
    const cells = this.columns.map((column, index) => {
      const content = column.cell ? column.cell(row) : show(row[column.key]);
      const opens = this.open && index === 0 && !column.cell;
      return h("td", { class: column.class }, opens ? button(content, () => this.open(row), { class: "link" }) : content);
    });
    const choose = this.open && ((event) => !event.target.closest("button, a, input") && !getSelection().toString() && this.open(row));
    return h("tr", { "data-key": text(row, this.columns[0]), class: this.open && "opens", onclick: choose || undefined }, cells);
  }

  nothing() {
    const text = this.rows.length ? "No row matches the filter." : this.empty;
    return h("tr", {}, h("td", { class: "empty", colspan: this.columns.length }, text));
  }

  turn(pages, from, to) {
    const go = (page) => () => { this.page = page; this.render(); this.element.querySelector(".scroll").scrollTop = 0; };
    this.pager.replaceChildren(...(pages < 2 ? [] : [
      button("‹", go(this.page - 1), { "aria-label": "Previous page", disabled: this.page === 0 }),
      h("span", {}, `${(from + 1).toLocaleString("en")}–${to.toLocaleString("en")}`),
      button("›", go(this.page + 1), { "aria-label": "Next page", disabled: this.page === pages - 1 })]));
  }
}

const value = (row, column) => (column.text ? column.text(row) : row[column.key]) ?? "";
const text = (row, column) => String(value(row, column));

function compare(one, other) {
  return typeof one === "number" && typeof other === "number" ? one - other : collate(String(one), String(other));
}

export function show(value) {
  if (value === null || value === undefined) return h("span", { class: "null" }, "null");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
