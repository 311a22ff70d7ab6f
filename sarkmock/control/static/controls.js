// Controls of the mock: PBX, clock, seed, profile, state and faults.

import { call, download, get } from "./api.js";
import { attempt, button, field, h, select, toast } from "./dom.js";
import { faults } from "./faults.js";
import { poll } from "./polling.js";
import { refreshStatus } from "./shell.js";

const EVERY = 2000;
const STEPS = [["+1 minute", 60], ["+1 hour", 3600], ["+1 day", 86400]];
const TIMES = [["boot_seconds", "Boot time, seconds"], ["ring_seconds", "Ring time, seconds"], ["call_seconds", "Call time, seconds"]];

export async function controls(main, rest, signal) {
  const { upstream } = await get("profile");
  const cards = (upstream ? [] : [pbx, clock, start, profile, state]).map((make) => make());
  const wrong = faults();
  const refresh = () => Promise.all([...cards, wrong].map((one) => one.refresh?.()));
  main.append(h("div", { class: "title" }, h("h1", {}, "Controls")),
    h("div", { class: "cards" }, cards.map((card) => card.element)), wrong.element);
  main.addEventListener("changed", () => { attempt(refresh); refreshStatus(); }, { signal });
  await poll(refresh, EVERY, signal);
}

// Sends a command, reports an error, and refreshes the view.
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
      h("dt", {}, now.running ? "Since" : "Up again"), h("dd", {}, now.up_since ? instant(now.up_since) : "after it is started"),
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
    time.replaceChildren(instant(now), " ", h("span", { class: `badge ${frozen ? "warn" : "good"}` }, frozen ? "frozen" : "running"));
    toggle.dataset.path = frozen ? "clock/run" : "clock/freeze";
    toggle.textContent = frozen ? "Run" : "Freeze";
  };
  return { refresh, element: card("Clock", h("dl", { class: "facts" }, h("dt", {}, "Time of the PBX"), time),
    h("div", { class: "actions" }, toggle, STEPS.map(([label, seconds]) => button(label, (event) => act(event, "POST", "clock/advance", { seconds })))),
    h("form", { class: "fields", onsubmit: (event) => { event.preventDefault(); if (set.value) act(event, "PUT", "clock", { now: `${set.value}Z` }); } },
      field("Set to (UTC)", set), h("button", {}, "Set"))) };
}

function start() {
  const seeds = select([]);
  const description = h("p", { class: "muted" });
  const describe = () => { description.textContent = seeds.selectedOptions[0]?.dataset.holds ?? ""; };
  seeds.addEventListener("change", describe);
  attempt(async () => {
    seeds.replaceChildren(...(await get("seed")).map(({ name, description }) => h("option", { value: name, "data-holds": description }, name)));
    describe();
  });
  return { element: card("Seed",
    h("p", {}, button("Reset", (event) => act(event, "POST", "reset", undefined, "The initial state is restored."))),
    h("p", { class: "muted" }, "Restores the initial state, clock and PBX; clears faults and journal."),
    h("div", { class: "fields" }, field("Start from", seeds),
      button("Load", (event) => act(event, "PUT", "seed", { seed: seeds.value }, `Loaded the seed ${seeds.value}.`))), description) };
}

function profile() {
  const choice = select([]);
  choice.addEventListener("change", (event) => act(event, "PUT", "profile", { profile: choice.value }));
  const refresh = async () => {
    const now = await get("profile");
    if (document.activeElement === choice) return;
    choice.replaceChildren(...now.profiles.map((name) => h("option", { value: name, selected: name === now.profile }, name)));
  };
  return { refresh, element: card("Profile", field("Served profile", choice),
    h("p", { class: "muted" }, "documented follows the documentation; the others are published versions. The state is kept.")) };
}

function state() {
  const file = h("input", { type: "file", accept: ".yaml,.yml,.json", class: "hidden", tabindex: -1, "aria-hidden": "true" });
  file.addEventListener("change", async (event) => {
    const [chosen] = file.files;
    if (chosen) await act(event, "PUT", "state", await chosen.text(), `Loaded the state from ${chosen.name}.`);
    file.value = "";
  });
  const save = () => attempt(() => download("state", "application/yaml", "sarkmock-state.yaml"));
  return { element: card("State",
    h("p", { class: "muted" }, "The complete state of the PBX as a seed file."),
    h("div", { class: "actions" }, button("Download", save), button("Upload…", () => file.click()), file)) };
}
