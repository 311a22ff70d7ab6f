// The journal: requests and responses as they come, why they were rejected, and what published versions do differently.

import { call, download, get } from "./api.js";
import { attempt, button, h, modal, select, toast } from "./dom.js";
import { referenceOf } from "./operations.js";
import { poll } from "./polling.js";
import { DataTable } from "./table.js";

const EVERY = 1000;
const AT_ONCE = 100;  // entries per request: the mock explains each of them
const MOST = 5000;  // entries that are shown
const SEVERITIES = { breaks: "bad", surprises: "warn", cosmetic: "" };
const STATUSES = [["", "Any status"], "2xx", "4xx", "5xx", "404", "409", "422", "429"];
const METHODS = [["", "Any method"], "GET", "POST", "PUT", "DELETE"];

const COLUMNS = [
  { key: "number", label: "#", class: "number tight" },
  { key: "received", label: "Time", class: "tight", cell: (entry) => clock(entry.received) },
  { key: "method", label: "Method", class: "tight", cell: (entry) => h("code", {}, entry.method) },
  { key: "path", label: "Path", text: target, cell: (entry) => h("code", {}, target(entry)) },
  { key: "operation", label: "Operation", class: "tight", cell: (entry) => entry.operation ?? h("span", { class: "null" }, "none") },
  { key: "status", label: "Status", class: "tight", cell: (entry) => badge(entry.status) },
  { key: "seconds", label: "ms", class: "number tight", text: (entry) => entry.seconds + entry.delay, cell: (entry) => milliseconds(entry) },
  { key: "notes", label: "Notes", text: (entry) => notes(entry).map(([, label]) => label).join(" "),
    cell: (entry) => notes(entry).map(([kind, label]) => [h("span", { class: `badge ${kind}` }, label), " "]) },
];

export async function journal(main, [number], signal) {
  const filter = { operation: "", status: "", method: "", path: "" };
  let entries = [], total = 0, live = true, turn = 0;
  const table = new DataTable({ label: "Journal", stacked: true, columns: COLUMNS, open: (entry) => open(entry), sort: { key: "number", down: true },
    empty: "No requests yet. Send one, or try one in the reference.", searchable: false });
  const show = () => table.show(entries, COLUMNS, total);

  const query = (more) => new URLSearchParams(Object.entries({ ...filter, ...more }).filter(([, value]) => value));
  const fresh = async () => {
    const last = entries.at(-1), mine = ++turn;
    const { entries: found, matching } = await get(`journal?${query({ after: last && last.number - 1, limit: AT_ONCE })}`);
    if (signal.aborted || mine !== turn) return;  // a later request, such as one with another filter, answers for this one
    // The response begins with the last known entry, unless the journal was cleared or has grown by more than a request's worth.
    const [first, ...more] = found;
    const goesOn = last && first?.number === last.number && first.received === last.received;
    if (goesOn && !more.length && matching === total) return;
    if (last && !goesOn) return again();
    entries = [...entries, ...(goesOn ? more : found)].slice(-MOST);
    total = matching;
    show();
  };
  const earlier = async () => {
    const [first] = entries;
    const { entries: found, matching } = await get(`journal?${query({ before: first.number, limit: AT_ONCE })}`);
    if (first !== entries[0]) return;  // asked twice, or begun anew
    entries = [...found, ...entries].slice(0, MOST);
    total = matching;
    show();
    table.showLast();
    older.disabled = found.length < AT_ONCE;
  };
  // Who looks back is not moved by what comes meanwhile.
  const older = button("Older", () => { pause(); return entries.length && attempt(earlier); }, { title: "Load the hundred entries before these, and stop following" });
  const again = () => { older.disabled = false; entries = []; total = 0; show(); return attempt(fresh); };
  const narrow = (name) => (event) => { filter[name] = event.target.value.trim(); again(); };
  const following = (value) => { live = value; follow.setAttribute("aria-pressed", live); };
  const pause = () => following(false);
  const follow = button("Live", () => following(!live), { "aria-pressed": "true", title: "Show new requests as they arrive" });

  main.append(
    h("div", { class: "title" }, h("h1", {}, "Journal"),
      h("div", { class: "fields" },
        h("input", { type: "text", list: "operations", placeholder: "Operation, tenants.*", "aria-label": "Operation", onchange: narrow("operation") }),
        select(METHODS, { "aria-label": "Method", onchange: narrow("method") }),
        select(STATUSES, { "aria-label": "Status", onchange: narrow("status") }),
        h("input", { type: "text", placeholder: "Path, /api/tenants/*", "aria-label": "Path", onchange: narrow("path") })),
      h("div", { class: "actions" }, follow, older,
        button("Save as HAR", () => attempt(() => download(`journal.har?${query({})}`, "application/json", "sarkmock.har"))),
        button("Clear", () => attempt(async () => { await call("DELETE", "journal"); await again(); }), { class: "danger" }))),
    table.element);
  if (number) attempt(async () => open(await get(`journal/${encodeURIComponent(number)}`)));
  await poll(() => live && fresh(), EVERY, signal);
}

function target(entry) {
  return entry.query ? `${entry.path}?${entry.query}` : entry.path;
}

const clock = (time) => new Date(time).toLocaleTimeString(undefined, { hour12: false });
const milliseconds = (entry) => ((entry.seconds + entry.delay) * 1000).toFixed(1);

function badge(status) {
  const kind = status < 400 ? "good" : status < 500 ? "warn" : "bad";
  return h("span", { class: `badge ${kind}` }, status);
}

// A fault, and where published versions behave differently.
function notes(entry) {
  return [
    ...(entry.fault ? [["bad", `fault ${entry.fault}`]] : []),
    ...entry.warnings.map((warning) => [SEVERITIES[warning.severity] ?? "", warning.deviation ?? "ignored"]),
  ];
}

// One request with its response, in full.
function open(entry) {
  const reference = h("a", { hidden: true }, "Reference");
  attempt(async () => { reference.href = await referenceOf(entry.operation) ?? ""; reference.hidden = !reference.getAttribute("href"); });
  modal([`#${entry.number} `, h("code", {}, `${entry.method} ${target(entry)}`), " ", badge(entry.status)],
    h("dl", { class: "facts" },
      ...fact("Operation", [entry.operation ?? "none: unknown method or path", " ", reference]),
      ...fact("Time", `${entry.received} (PBX: ${entry.time})`),
      ...fact("Took", `${milliseconds(entry)} ms${entry.delay ? `, ${entry.delay * 1000} ms of it by a fault` : ""}`),
      ...(entry.fault ? fact("Fault", entry.fault) : [])),
    entry.why.length > 0 && h("section", { class: "note" }, h("h3", {}, `Why ${entry.status}`), h("ul", {}, entry.why.map(reason))),
    entry.warnings.length > 0 && h("section", { class: "note warn" }, h("h3", {}, "Warnings"), h("ul", {}, entry.warnings.map(warned))),
    h("div", { class: "actions" }, copied("Copy as curl", () => asCurl(entry)), copied("Copy as pytest", () => asPytest(entry))),
    message("Request", entry.request), message("Response", entry.response), comparison(entry));
}

// Compares the response of another profile with that of this one.
function comparison(entry) {
  const answers = h("div", { class: "answers", "aria-live": "polite" });
  const ask = async (profile) => {
    const found = profile ? await get(`journal/${entry.number}/compare?${new URLSearchParams({ profile })}`) : [];
    answers.replaceChildren(...found.map(answered));
  };
  const chooser = h("select", { "aria-label": "Profile", onchange: (event) => attempt(() => ask(event.target.value)) }, h("option", { value: "" }, "another profile"));
  attempt(async () => {
    const { profile, profiles } = await get("profile");
    chooser.append(...profiles.filter((name) => name !== profile).map((name) => h("option", { value: name }, name)));
  });
  return h("section", {}, h("h3", {}, "Compare with ", chooser),
    h("p", { class: "muted" }, "Both responses are computed on a copy of the current state."), answers);
}

function answered({ profile, status, ...response }) {
  return h("div", {}, h("h4", {}, profile, " ", badge(status)), message("Response", response));
}

function reason({ text, lines }) {
  return h("li", {}, text, lines?.length > 0 && h("small", {}, ` (the documentation, line ${lines.join(", ")})`));
}

function warned({ text, deviation }) {
  return h("li", {}, text, deviation && [" ", h("code", {}, deviation)]);
}

const fact = (name, value) => [h("dt", {}, name), h("dd", {}, value)];

function message(title, { headers, size, body }) {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`).join("\n");
  return h("section", {}, h("h3", {}, title),
    lines && h("details", {}, h("summary", {}, `${Object.keys(headers).length} headers`), h("pre", {}, lines)),
    body ? h("pre", { tabindex: "0", "aria-label": `${title}, body` }, pretty(body)) : h("p", { class: "muted" }, "No body."),
    size > new Blob([body]).size && h("p", { class: "muted" }, `Truncated; ${size.toLocaleString("en")} bytes in all.`));
}

const copied = (label, text) => button(label, () => attempt(async () => { await navigator.clipboard.writeText(await text()); toast("Copied."); }));
const quoted = (value) => `'${value.replaceAll("'", "'\\''")}'`;

// The headers on which an answer depends, and a variable in the place of a token.
const SENT = ["Accept", "Content-Type", "Origin", "X-Http-Method-Override", "X-Requested-With"];
const sent = ({ headers }) => SENT.filter((name) => name in headers).map((name) => [name, headers[name]]);

// Path and query as they can stand in a URL: the path of an entry is decoded.
function encoded({ path, query }) {
  const steps = path.split("/").map((step) => encodeURIComponent(step.toWellFormed()));
  return steps.join("/") + (query && `?${query}`);
}

function wholeBody({ body, size }) {
  if (new Blob([body]).size !== size) throw new Error("The journal has only a part of this body, or it is not text.");
  return body;
}

// The request as a shell command.
function asCurl({ method, request, ...entry }) {
  const token = "Authorization" in request.headers && '-H "Authorization: Bearer $TOKEN"';
  const parts = [`curl -gk --path-as-is ${method === "HEAD" ? "--head" : `-X ${quoted(method)}`} ${quoted(location.origin + encoded(entry))}`,
    ...sent(request).map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`), token,
    request.size > 0 && `--data-binary ${quoted(wholeBody(request))}`];
  return parts.filter(Boolean).join(" \\\n  ");
}

// The request as a test with the fixture of sarkmock, of the profile that answered.
async function asPytest({ method, request, status, ...entry }) {
  const { profile } = await get("profile");
  const marker = profile === "documented" ? "" : `@pytest.mark.sark(profile=${JSON.stringify(profile)})\n`;
  const headers = sent(request).map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`).join(", ");
  const body = request.size > 0 ? `data=${JSON.stringify(wholeBody(request))}.encode(), ` : "";
  return `${marker && "import pytest\n"}import requests\n\n\n${marker}def test_request(sark):\n    response = requests.request(`
    + `${JSON.stringify(method)}, sark.url + ${JSON.stringify(encoded(entry).replace(/^\/api/, ""))}, ${body}headers={${headers}},\n`
    + `                                verify=sark.ca_file)\n    assert response.status_code == ${status}\n`;
}

function pretty(body) {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body;
  }
}
