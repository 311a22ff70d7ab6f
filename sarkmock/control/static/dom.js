// Creates elements. Nothing here parses HTML: requests to the mock are untrusted text.

export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "selected") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child || child === 0 || child === ""));
  return element;
}

export const button = (label, onclick, attributes = {}) => h("button", { type: "button", onclick, ...attributes }, label);

let fields = 0;

export function field(label, control) {
  control.id = `field-${++fields}`;
  return h("div", { class: "field" }, h("label", { for: control.id }, label), control);
}

export function select(options, attributes = {}) {
  const { value, ...rest } = attributes;
  const items = options.map((option) => (Array.isArray(option) ? option : [option, option]));
  return h("select", rest, items.map(([key, label]) => h("option", { value: key, selected: key === value }, label)));
}

// A list of suggestions for text inputs, put into the document once.
export function suggestions(id, values) {
  document.getElementById(id)?.remove();
  document.body.append(h("datalist", { id }, values.map((value) => h("option", { value }))));
}

// A dialog that is there until it is closed.
export function modal(title, ...content) {
  const dialog = h("dialog", { class: "ours", "aria-labelledby": "dialog-title" },
    h("div", { class: "head" }, h("h2", { id: "dialog-title" }, title), button("Close", () => dialog.close(), { autofocus: true })),
    content);
  dialog.addEventListener("close", () => { document.body.append(document.querySelector(".toasts")); dialog.remove(); });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

// Shows the error of a failed request; returns whether it succeeded.
export async function attempt(work) {
  try {
    await work();
    return true;
  } catch (error) {
    toast(error.message, "problem");
    return false;
  }
}

export function toast(message, kind = "info") {
  const note = h("div", { class: `toast ${kind}` }, h("span", {}, message),
    button("×", () => note.remove(), { "aria-label": "Dismiss" }));
  const place = document.querySelector(".toasts");
  place.append(note);
  (document.querySelector("dialog[open]") ?? document.body).append(place);  // what is outside of a dialog is behind it
  if (kind !== "problem") setTimeout(() => note.remove(), 4000);
}
