// The page for people: who you are here, what you may do, what the graph holds, a box to read it, your last calls.

import { run, stop } from "./answers.js";
import { byId, counted, element, fill, problem, quiet, terms } from "./elements.js";
import { readingLabel, showSchema } from "./schema.js";
import { about, present, presents, tools } from "./server.js";

async function open() {
  let me;
  try {
    me = await about();
  } catch (error) {
    askWho(error);
    return;
  }
  byId("signing-in").hidden = true;
  byId("room").hidden = false;
  byId("sign-out").hidden = !presents();
  showMe(me);
  await Promise.all([showTools(), startWith(me)]);
  await refresh();
}

function askWho(error) {
  const tried = presents();
  present(null);
  byId("greeting").textContent = "Nobody is known here yet.";
  byId("room").hidden = true;
  byId("sign-out").hidden = true;
  byId("signing-in").hidden = false;
  const refusal = byId("refusal");
  refusal.className = tried || error.status !== 401 ? "problem" : "quiet";
  refusal.textContent = error.message;
  byId("sign-in").hidden = error.status !== 401 && error.status !== 403;
  byId("credential").focus();
}

async function startWith(me) {
  if (!me.grant.tools.includes("get-schema")) {
    fill(byId("schema"), quiet("You may not use get-schema."));
    return;
  }
  const schema = await showSchema(propose);
  const first = schema?.nodes.find(({ label }) => label !== null && readingLabel(label));
  if (first && byId("statement").value === "") byId("statement").value = readingLabel(first.label);
}

async function refresh() {
  try {
    showMe(await about());
  } catch (error) {
    fill(byId("calls"), problem(error.message));
  }
}

function showMe({ server, principal, grant, calls, left_running: left }) {
  byId("version").textContent = server.version;
  fill(byId("greeting"), "You are ", element("b", {}, principal.name || principal.id));
  fill(byId("you"), terms([
    ["Id", element("code", {}, principal.id)],
    ["Name", principal.name],
    ["Kind", principal.kind],
    ["Platform", principal.platform],
    ["Tenant", principal.tenant],
    ["Roles", principal.roles.join(", ")],
    ["Proved by", principal.proved_by],
  ]));
  const { limits } = grant;
  fill(byId("may"), terms([
    ["Rule", grant.rule],
    ["Writes", grant.writes ? "allowed" : "no"],
    ["One answer", `${counted(limits.rows, "row")}, ${counted(limits.bytes, "byte")}`],
    ["One call", counted(limits.seconds, "second")],
    ["At once", limits.concurrent && counted(limits.concurrent, "call")],
    ["A minute", [
      limits.calls_per_minute && counted(limits.calls_per_minute, "call"),
      limits.seconds_per_minute && `${counted(limits.seconds_per_minute, "second")} of the database`,
    ].filter(Boolean).join(", ")],
  ]));
  byId("read").hidden = !grant.tools.includes("read-cypher");
  if (byId("read").hidden) fill(byId("answer"), quiet("You may not use read-cypher."));
  showCalls(calls);
  const running = byId("survivors");
  running.hidden = left.length === 0;
  running.textContent = left.length === 0 ? "" :
    `${counted(left.length, "statement")} of yours still ${left.length === 1 ? "runs" : "run"} in the database, though told to stop ` +
    `(request ${left.join(", ")}). With too many of them, your next statements are refused.`;
}

function showCalls(calls) {
  if (calls.length === 0) {
    fill(byId("calls"), quiet("None in this server’s memory."));
    return;
  }
  const lines = calls.map((line) => {
    const what = [line.tool ?? line.method ?? "a request", line.rows === undefined ? null : counted(line.rows, "row"), `${Math.round(line.duration_ms)}\u00a0ms`];
    return element("details", { class: "entry" },
      element("summary", {},
        element("span", { class: line.outcome === "ok" ? "good" : "bad" }, line.outcome ?? "–"), " ",
        element("time", { datetime: line.time }, new Date(line.time).toLocaleTimeString()), " ",
        element("span", { class: "quiet" }, what.filter(Boolean).join(" · "))),
      terms(Object.entries(line).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : String(value)])));
  });
  fill(byId("calls"), quiet("From this server’s memory; a restart empties it."), lines);
}

async function showTools() {
  try {
    const found = await tools();
    fill(byId("tools"), found.length === 0 ? quiet("There are none for you.") : found.map(({ name, title, description, inputSchema, annotations }) =>
      element("details", { class: "entry" },
        element("summary", {}, element("code", {}, name), " ", element("span", { class: "quiet" }, annotations?.readOnlyHint ? "reads" : "writes")),
        element("p", {}, element("b", {}, title ?? ""), ". ", description),
        terms(Object.entries(inputSchema?.properties ?? {}).map(([key, schema]) =>
          [inputSchema.required?.includes(key) ? `${key} *` : key, schema.description ?? schema.type ?? "–"])))));
  } catch (error) {
    fill(byId("tools"), problem(error.message));
  }
}

function propose(statement) {
  const box = byId("statement");
  box.value = statement;
  box.scrollIntoView({ block: "center" });
  box.focus();
}

function submit() {
  const statement = byId("statement").value.trim();
  if (statement === "") return;
  let parameters = {};
  const written = byId("parameters").value.trim();
  try {
    if (written !== "") parameters = JSON.parse(written);
    if (parameters === null || typeof parameters !== "object" || Array.isArray(parameters)) throw new SyntaxError("it is not an object");
  } catch (error) {
    fill(byId("answer"), problem(`The parameters are not a JSON object: ${error.message}`));
    return;
  }
  run(statement, parameters, refresh);
}

byId("read").addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
byId("read").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit();
});
byId("stop").addEventListener("click", stop);
byId("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  const box = byId("credential");
  present(box.value.trim().replace(/^bearer\s+/i, ""));
  box.value = "";
  open();
});
byId("sign-out").addEventListener("click", () => location.reload());

open();
