// The schema: drawn as a graph, and as a list that a keyboard and a screen reader can go through.

import { drawing } from "./drawing.js";
import { byId, counted, element, fill, problem, quiet } from "./elements.js";
import { use } from "./server.js";
import { quoted } from "./values.js";

const LABELS_DRAWN = 60;
const EDGES_DRAWN = 150;
const LISTED = 200;
const NO_LABEL = "(no label)";

/** Show the schema; `propose` gets a statement that reads some of what is clicked. */
export async function showSchema(propose) {
  const place = byId("schema");
  try {
    const { structure, text } = await use("get-schema", {});
    if (structure === null) fill(place, element("pre", {}, text));
    else await shown(place, structure, propose);
    return structure;
  } catch (error) {
    fill(place, problem(error.message));
    return null;
  }
}

async function shown(place, schema, propose) {
  const { totals } = schema;
  const line = [
    counted(totals.nodes, "node"),
    counted(totals.relationships, "relationship"),
    counted(totals.labels, "label"),
    counted(totals.types, "relationship type"),
  ].join(" · ");
  if (schema.nodes.length === 0) {
    fill(place, quiet("The graph is empty."));
    return;
  }
  const graph = graphOf(schema);
  const statements = statementsOf(schema);
  const picture = drawing({
    ...graph,
    label: `A drawing of ${counted(graph.nodes.length, "label")} and what connects them. The list below says the same.`,
    chosen: (id) => {
      const statement = id === null ? null : statements.get(id.split("-")[0]);
      if (statement) propose(statement);
    },
  });
  const remarks = [schema.hint, ...(schema.notes ?? [])].filter(Boolean).map(quiet);
  fill(place, quiet(line), picture.whole, graph.left ? quiet(graph.left) : null, remarks, list(schema, propose));
  picture.begin();
}

const labelOf = (label) => label ?? NO_LABEL;

function graphOf(schema) {
  const known = schema.nodes.slice(0, LABELS_DRAWN).map(({ label }) => labelOf(label));
  const nodes = known.map((label, at) => ({ id: `l${at}`, kind: label, caption: label }));
  const places = new Map(known.map((label, at) => [label, `l${at}`]));
  const edges = new Map();
  for (const [at, { type, patterns = [] }] of schema.relationships.entries()) {
    for (const pattern of patterns) {
      for (const from of pattern.from.length ? pattern.from : [NO_LABEL]) {
        for (const to of pattern.to.length ? pattern.to : [NO_LABEL]) {
          const id = `t${at}-${places.get(from)}-${places.get(to)}`;
          if (!places.has(from) || !places.has(to) || edges.has(id) || edges.size >= EDGES_DRAWN) continue;
          edges.set(id, { id, from: places.get(from), to: places.get(to), caption: type });
        }
      }
    }
  }
  const more = schema.nodes.length - known.length;
  const left = more > 0 ? `The drawing has the ${known.length} most numerous labels; ${more} more are in the list.` : null;
  return { nodes, edges: [...edges.values()], left };
}

function statementsOf(schema) {
  const found = new Map();
  schema.nodes.forEach(({ label }, at) => found.set(`l${at}`, readingLabel(label)));
  schema.relationships.forEach(({ type }, at) => found.set(`t${at}`, readingType(type)));
  return found;
}

export function readingLabel(label) {
  if (label === null) return "MATCH (n)\nWHERE size(labels(n)) = 0\nRETURN n\nLIMIT 25";
  const written = quoted(label);
  return written && `MATCH (n:${written})\nOPTIONAL MATCH (n)-[r]-(m)\nRETURN n, r, m\nLIMIT 25`;
}

function readingType(type) {
  const written = quoted(type);
  return written && `MATCH (a)-[r:${written}]->(b)\nRETURN a, r, b\nLIMIT 25`;
}

function list(schema, propose) {
  const reading = (statement) =>
    statement && element("button", { type: "button", class: "small", onclick: () => propose(statement) }, "Read some");
  const entry = (title, count, properties, statement, patterns) =>
    element("details", { class: "entry" },
      element("summary", {}, element("b", {}, title), " ", element("span", { class: "quiet" }, count?.toLocaleString("en") ?? "")),
      patterns ?? null,
      properties?.length
        ? element("ul", { class: "properties" }, properties.map((one) =>
            element("li", {}, element("code", {}, one.name), " ", element("span", { class: "quiet" }, (one.types ?? []).join(" | ")))))
        : quiet("No properties are known."),
      reading(statement));
  const labels = schema.nodes.slice(0, LISTED).map(({ label, count, properties }) =>
    entry(labelOf(label), count, properties, readingLabel(label)));
  const types = schema.relationships.slice(0, LISTED).map(({ type, count, properties, patterns }) =>
    entry(type, count, properties, readingType(type), patterns && element("ul", { class: "properties" },
      patterns.slice(0, 10).map(({ from, to }) => element("li", {}, `(${from.map((l) => `:${l}`).join("")}) → (${to.map((l) => `:${l}`).join("")})`)))));
  const more = Math.max(0, schema.nodes.length - LISTED) + Math.max(0, schema.relationships.length - LISTED);
  return element("div", { class: "columns" },
    element("div", {}, element("h3", {}, "Labels"), labels),
    element("div", {}, element("h3", {}, "Relationship types"), types.length ? types : quiet("There are none.")),
    more ? quiet(`And ${counted(more, "more entry", "more entries")}: ask get-schema for them by name.`) : null);
}
