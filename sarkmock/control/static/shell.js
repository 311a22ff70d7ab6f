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

const OF_A_MOCK = "./#tables";
let upstream = "";

export function navigation(current) {
  document.querySelector("nav").dataset.current = current;
  const links = VIEWS.filter(([href]) => !upstream || href !== OF_A_MOCK).map(([href, label]) => h("a", { href, "aria-current": href === current ? "page" : undefined }, label));
  document.querySelector("nav").replaceChildren(...links);
}

export function watchStatus() {
  poll(refreshStatus, EVERY, new AbortController().signal);
}

export async function refreshStatus() {
  const place = document.querySelector(".status");
  try {
    const now = await get("profile");
    if (now.upstream && now.upstream !== upstream) {
      upstream = now.upstream;
      navigation(document.querySelector("nav").dataset.current);
    }
    if (upstream) {
      place.replaceChildren(h("span", { class: "badge" }, `proxy before ${upstream}`), h("span", { class: "badge" }, now.profile));
      return;
    }
    const [pbx, clock] = await Promise.all(["pbx", "clock"].map(get));
    place.replaceChildren(
      h("span", { class: `badge ${pbx.running ? "good" : "bad"}` }, pbx.running ? "PBX running" : "PBX stopped"),
      clock.frozen ? h("span", { class: "badge warn" }, "clock frozen") : "",
      h("span", { class: "badge" }, now.profile));
  } catch (error) {
    place.replaceChildren(h("span", { class: "badge bad" }, error.message));
  }
}
