// Runs a statement through read-cypher, and shows its answer as a table and as a graph.

import { drawing } from "./drawing.js";
import { byId, counted, element, fill, problem, quiet } from "./elements.js";
import { use } from "./server.js";
import { Written, asText, caption, graphIn, isNode, isRelationship } from "./values.js";

const ROWS_ASKED = 1000;
const ROWS_AT_ONCE = 100;
const COLUMNS_SHOWN = 60;
const CELL = 240;
const LONGEST_CELL = 20_000;
const STOPPED_AFTER = 1500;
const NODES_DRAWN = 200;

let running = null;
let picture = null;

/** Run `statement` with `parameters`; `after` is called when it has ended, in whatever way. */
export async function run(statement, parameters, after, cursor) {
  stop();
  const own = (running = new AbortController());
  const place = byId("answer");
  busy(true);
  fill(place, element("p", { class: "quiet waiting" }, "Running …"));
  const begun = performance.now();
  try {
    const given = { query: statement, params: parameters, max_rows: ROWS_ASKED, ...(cursor ? { cursor } : {}) };
    const answer = await use("read-cypher", given, own.signal);
    if (running !== own) return;
    const milliseconds = Math.round(performance.now() - begun);
    const next = () => run(statement, parameters, after, answer.structure.next_cursor);
    if (answer.structure === null) fill(place, element("pre", {}, answer.text));
    else show(place, answer.structure, milliseconds, next);
  } catch (error) {
    if (running === own) fill(place, problem(error.message));
  } finally {
    if (running === own) {
      running = null;
      busy(false);
    }
    after();
    if (own.signal.aborted) setTimeout(after, STOPPED_AFTER); // the server notices a little later, and writes its line
  }
}

/** Stop the statement that runs, if one does: the server tells the database to. */
export function stop() {
  running?.abort();
}

function busy(is) {
  byId("run").disabled = is;
  byId("stop").hidden = !is;
}

function show(place, answer, milliseconds, next) {
  picture?.end();
  picture = null;
  const graph = graphIn(answer.rows, NODES_DRAWN);
  const notes = [
    ...(answer.warnings ?? []).map((warning) => element("p", { class: "warning" }, typeof warning === "string" ? warning : asText(warning))),
    answer.truncated ? element("p", { class: "warning" }, `There are more rows than these. ${answer.hint ?? ""}`) : answer.hint ? quiet(answer.hint) : null,
    answer.next_cursor ? element("button", { type: "button", class: "small", onclick: next }, "Next page") : null,
  ];
  const summary = element("p", { class: "summary" }, `${counted(answer.row_count, "row")} · ${milliseconds} ms`);
  if (answer.rows.length === 0) {
    fill(place, summary, notes, quiet("The statement found nothing."));
    return;
  }
  const panel = element("div", { id: "panel", role: "tabpanel" });
  const tabs = [["Table", () => fill(panel, table(answer))]];
  if (graph.nodes.size || graph.relationships.size) tabs.push(["Graph", () => draw(panel, graph)]);
  fill(place, element("div", { class: "row" }, tabList(tabs, panel), summary), notes, panel);
  tabs.at(-1)[1]();
}

function tabList(tabs, panel) {
  const buttons = tabs.map(([title, open], at) =>
    element("button", { type: "button", role: "tab", "aria-controls": "panel", onclick: () => choose(at) }, title));
  const mark = (chosen) => buttons.forEach((button, at) => {
    button.setAttribute("aria-selected", String(at === chosen));
    button.tabIndex = at === chosen ? 0 : -1;
  });
  function choose(at) {
    picture?.end();
    picture = null;
    mark(at);
    buttons[at].focus();
    tabs[at][1]();
  }
  mark(tabs.length - 1);
  return element("div", {
    role: "tablist",
    class: "tabs",
    onkeydown: (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      choose((buttons.indexOf(document.activeElement) + step + buttons.length) % buttons.length);
    },
  }, buttons);
}

function table({ columns, rows }) {
  const shown = columns.slice(0, COLUMNS_SHOWN);
  const body = element("tbody");
  const more = element("button", { type: "button", class: "small" });
  const append = () => {
    const from = body.childElementCount;
    body.append(...rows.slice(from, from + ROWS_AT_ONCE).map((row, at) =>
      element("tr", {}, element("th", { scope: "row" }, from + at + 1), row.slice(0, COLUMNS_SHOWN).map(cell))));
    const left = rows.length - body.childElementCount;
    more.hidden = left === 0;
    more.textContent = `Show ${Math.min(left, ROWS_AT_ONCE)} more of ${counted(left, "row")}`;
  };
  more.addEventListener("click", append);
  append();
  const head = element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "#"), shown.map((name) => element("th", { scope: "col" }, name))));
  return [
    element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "The rows" }, element("table", {}, head, body)),
    more,
    columns.length > COLUMNS_SHOWN ? quiet(`${columns.length - COLUMNS_SHOWN} more columns are not shown.`) : null,
  ];
}

function cell(value) {
  const text = typeof value === "string" ? value : asText(value);
  const number = typeof value === "number" || value instanceof Written;
  const kind = value === null ? "null" : number ? "number" : typeof value === "object" ? "compound" : null;
  const made = element("td", { class: kind }, text.slice(0, CELL));
  if (text.length > CELL) {
    const open = () => fill(made, text.length > LONGEST_CELL ? `${text.slice(0, LONGEST_CELL)}… (${counted(text.length, "character")})` : text);
    made.append("… ", element("button", { type: "button", class: "small", onclick: open }, "more"));
  }
  return made;
}

function draw(panel, { nodes, relationships, left }) {
  const all = new Map([...nodes].map(([id, node]) => [id, { id, kind: node.labels[0] ?? "(no label)", caption: caption(node) }]));
  const edges = [];
  for (const [id, { type, startNodeElementId: from, endNodeElementId: to }] of relationships) {
    for (const end of [from, to]) {
      if (!all.has(end) && all.size < 2 * NODES_DRAWN) all.set(end, { id: end, kind: "(not in the answer)", caption: "…" });
    }
    if (all.has(from) && all.has(to)) edges.push({ id, from, to, caption: type });
  }
  const details = element("div", { class: "chosen", "aria-live": "polite" }, quiet("Click a node or a relationship to see what it holds."));
  const chosen = (id) => {
    const found = id === null ? null : nodes.get(id) ?? relationships.get(id);
    fill(details, found ? described(found) : quiet("Click a node or a relationship to see what it holds."));
  };
  picture = drawing({
    nodes: [...all.values()],
    edges,
    label: `A drawing of ${counted(all.size, "node")} and ${counted(edges.length, "relationship")}. The table says the same.`,
    chosen,
  });
  const note = left ? quiet(`The drawing has ${NODES_DRAWN} nodes; there are more in the table.`) : null;
  fill(panel, picture.whole, note, details);
  picture.begin();
}

function described(found) {
  const title = isNode(found) ? found.labels.map((label) => `:${label}`).join("") || "A node without a label" : isRelationship(found) ? `:${found.type}` : "";
  const rows = Object.entries(found.properties ?? {}).map(([key, value]) =>
    element("tr", {}, element("th", { scope: "row" }, key), cell(value)));
  return [element("h3", {}, title), rows.length ? element("table", {}, element("tbody", {}, rows)) : quiet("It has no properties.")];
}
