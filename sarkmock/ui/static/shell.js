// The frame of every page: navigation and the status of the mock.

import { get } from "./api.js";
import { h } from "./dom.js";
import { poll } from "./polling.js";

const EVERY = 3000;
const VIEWS = [
  ["./#journal", "Journal"],
  ["./#tables", "Tables"],
  ["./#controls", "Controls"],
  ["./#deviations", "Deviations"],
  ["reference", "Reference"],
];

export function navigation(current) {
  const links = VIEWS.map(([href, label]) => h("a", { href, "aria-current": href === current ? "page" : undefined }, label));
  document.querySelector("nav").replaceChildren(...links);
}

export function watchStatus() {
  poll(refreshStatus, EVERY, new AbortController().signal);
}

export async function refreshStatus() {
  const place = document.querySelector(".status");
  try {
    const [pbx, clock, { profile }] = await Promise.all(["pbx", "clock", "profile"].map(get));
    place.replaceChildren(
      h("span", { class: `badge ${pbx.running ? "good" : "bad"}` }, pbx.running ? "PBX running" : "PBX stopped"),
      clock.frozen ? h("span", { class: "badge warn" }, "clock frozen") : "",
      h("span", { class: "badge" }, profile));
  } catch (error) {
    place.replaceChildren(h("span", { class: "badge bad" }, error.message));
  }
}
