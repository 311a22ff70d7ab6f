// The mock's switches: the PBX, its clock, what it starts from, which API it answers as, and what goes wrong.

import { call, download, get } from "./api.js";
import { attempt, button, field, h, select, toast } from "./dom.js";
import { faults } from "./faults.js";
import { poll } from "./polling.js";
import { refreshStatus } from "./shell.js";

const EVERY = 2000;
const STEPS = [["+1 minute", 60], ["+1 hour", 3600], ["+1 day", 86400]];
const TIMES = [["boot_seconds", "Booting takes, seconds"], ["ring_seconds", "A call rings, seconds"], ["call_seconds", "A call lasts, seconds"]];

export async function controls(main, rest, signal) {
  const cards = [pbx, clock, start, profile, state].map((make) => make());
  const wrong = faults();
  const refresh = () => Promise.all([...cards, wrong].map((one) => one.refresh?.()));
  main.append(h("div", { class: "title" }, h("h1", {}, "Controls")),
    h("div", { class: "cards" }, cards.map((card) => card.element)), wrong.element);
  main.addEventListener("changed", () => { attempt(refresh); refreshStatus(); }, { signal });
  await poll(refresh, EVERY, signal);
}

// Does what a switch says, tells what went wrong, and has everything shown anew.
async function act(event, method, path, body, done) {
  if (await attempt(() => call(method, path, body)) && done) toast(done);
  event.target.dispatchEvent(new Event("changed", { bubbles: true }));
}

const card = (title, ...content) => h("section", { class: "card", "aria-label": title }, h("h2", {}, title), content);
const instant = (text) => text.replace("T", " ").replace(/([.]\d+)?(\+00:00|Z)$/, " UTC");

function pbx() {
  const facts = h("dl", { class: "facts" });
  const toggle = button("", (event) => act(event, "POST", toggle.dataset.path));
  const inputs = TIMES.map(([name]) => h("input", { type: "number", min: 0, step: "any",
    onchange: (event) => act(event, "PATCH", "pbx", { [name]: Number(event.target.value) }) }));
  const refresh = async () => {
    const now = await get("pbx");
    facts.replaceChildren(
      h("dt", {}, "Asterisk"), h("dd", {}, h("span", { class: `badge ${now.running ? "good" : "bad"}` }, now.running ? "running" : "stopped")),
      h("dt", {}, now.running ? "Since" : "Up again"), h("dd", {}, now.up_since ? instant(now.up_since) : "when it is started"),
      h("dt", {}, "Calls"), h("dd", {}, now.calls));
    toggle.dataset.path = now.running ? "pbx/stop" : "pbx/start";
    toggle.textContent = now.running ? "Stop Asterisk" : "Start Asterisk";
    TIMES.forEach(([name], index) => { if (document.activeElement !== inputs[index]) inputs[index].value = now[name]; });
  };
  return { refresh, element: card("PBX", facts, h("p", {}, toggle),
    h("div", { class: "fields" }, TIMES.map(([, label], index) => field(label, inputs[index])))) };
}

function clock() {
  const time = h("dd");
  const toggle = button("", (event) => act(event, "POST", toggle.dataset.path));
  const set = h("input", { type: "datetime-local", step: 1 });
  const refresh = async () => {
    const { now, frozen } = await get("clock");
    time.replaceChildren(instant(now), " ", h("span", { class: `badge ${frozen ? "warn" : "good"}` }, frozen ? "stands still" : "runs"));
    toggle.dataset.path = frozen ? "clock/run" : "clock/freeze";
    toggle.textContent = frozen ? "Let it run" : "Hold it still";
  };
  return { refresh, element: card("Clock", h("dl", { class: "facts" }, h("dt", {}, "The PBX's time"), time),
    h("div", { class: "actions" }, toggle, STEPS.map(([label, seconds]) => button(label, (event) => act(event, "POST", "clock/advance", { seconds })))),
    h("form", { class: "fields", onsubmit: (event) => { event.preventDefault(); if (set.value) act(event, "PUT", "clock", { now: `${set.value}Z` }); } },
      field("Set it (UTC)", set), h("button", {}, "Set"))) };
}

function start() {
  const seeds = select([]);
  const told = h("p", { class: "muted" });
  const describe = () => { told.textContent = seeds.selectedOptions[0]?.dataset.holds ?? ""; };
  seeds.addEventListener("change", describe);
  attempt(async () => {
    seeds.replaceChildren(...(await get("seed")).map(({ name, description }) => h("option", { value: name, "data-holds": description }, name)));
    describe();
  });
  return { element: card("Start over",
    h("p", {}, button("Reset", (event) => act(event, "POST", "reset", undefined, "Everything is as it was at the start."))),
    h("p", { class: "muted" }, "State, clock, PBX, faults and journal, as they were at the start."),
    h("div", { class: "fields" }, field("From another seed", seeds),
      button("Start over", (event) => act(event, "PUT", "seed", { seed: seeds.value }, `Started over from ${seeds.value}.`))), told) };
}

function profile() {
  const choice = select([]);
  choice.addEventListener("change", (event) => act(event, "PUT", "profile", { profile: choice.value }));
  const refresh = async () => {
    const now = await get("profile");
    if (document.activeElement === choice) return;
    choice.replaceChildren(...now.profiles.map((name) => h("option", { value: name, selected: name === now.profile }, name)));
  };
  return { refresh, element: card("Profile", field("The mock answers as", choice),
    h("p", { class: "muted" }, "documented does what the page says, shipped what the published product does. The state stays.")) };
}

function state() {
  const file = h("input", { type: "file", accept: ".yaml,.yml,.json", class: "hidden", tabindex: -1, "aria-hidden": "true" });
  file.addEventListener("change", async (event) => {
    const [chosen] = file.files;
    if (chosen) await act(event, "PUT", "state", await chosen.text(), `The state is that of ${chosen.name}.`);
    file.value = "";
  });
  const save = () => attempt(() => download("state", "application/yaml", "sarkmock-state.yaml"));
  return { element: card("State",
    h("p", { class: "muted" }, "All that the PBX holds, as a seed file: to keep, to change, to start from."),
    h("div", { class: "actions" }, button("Download", save), button("Upload…", () => file.click()), file)) };
}
