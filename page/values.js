// Neo4j's values, as docs/values.md describes their JSON, without a digit lost.

/** A number as the server wrote it, where JavaScript would write it differently or round it. */
export class Written {
  constructor(source) {
    this.source = source;
  }
}

/** What `text` says in JSON. A number that JavaScript does not write back with the same digits is a `Written`. */
export function exactly(text) {
  return JSON.parse(text, (key, value, context) => {
    if (typeof value !== "number" || context?.source === undefined || String(value) === context.source) return value;
    return new Written(context.source);
  });
}

export function isNode(value) {
  return isMap(value) && typeof value.elementId === "string" && Array.isArray(value.labels) && isMap(value.properties);
}

export function isRelationship(value) {
  return isMap(value) && typeof value.elementId === "string" && typeof value.type === "string"
    && typeof value.startNodeElementId === "string" && typeof value.endNodeElementId === "string";
}

export function isMap(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value) && !(value instanceof Written);
}

/** `value` as one line of text, in Cypher's way of writing. */
export function asText(value) {
  if (value === null || value === undefined) return "null";
  if (value instanceof Written) return value.source;
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value)) return `[${value.map(asText).join(", ")}]`;
  if (isNode(value)) return `(${value.labels.map((label) => `:${name(label)}`).join("")}${properties(value)})`;
  if (isRelationship(value)) return `[:${name(value.type)}${properties(value)}]`;
  return `{${Object.entries(value).map(([key, inner]) => `${name(key)}: ${asText(inner)}`).join(", ")}}`;
}

function properties(value) {
  return isMap(value.properties) && Object.keys(value.properties).length ? ` ${asText(value.properties)}` : "";
}

const PLAIN_NAME = /^[\p{L}_][\p{L}\p{N}_]*$/u;

export function name(text) {
  return PLAIN_NAME.test(text) ? text : `\`${String(text).replaceAll("`", "``")}\``;
}

/** `text` as a name in a statement; null for one that Cypher would read in another way than it is written. */
export function quoted(text) {
  return typeof text === "string" && text !== "" && !text.includes("\\") ? name(text) : null;
}

const TELLING = ["name", "title", "label", "code", "key", "id"];

/** A few words for a node or relationship: its name, if it has one, else its first property that is short. */
export function caption(value) {
  const known = new Map(Object.entries(isMap(value.properties) ? value.properties : {}));
  for (const key of TELLING) if (isShort(known.get(key))) return String(known.get(key)).trim();
  for (const found of known.values()) if (isShort(found)) return found.trim();
  for (const found of known.values()) {
    if (typeof found === "number" || found instanceof Written) return asText(found);
  }
  return value.labels?.[0] ?? value.type ?? "";
}

function isShort(value) {
  return typeof value === "string" && value.trim() !== "" && value.length <= 200;
}

/** The nodes and relationships in `rows`, up to `most` of each; `left` says how many nodes are not among them. */
export function graphIn(rows, most) {
  const nodes = new Map();
  const relationships = new Map();
  let left = 0;
  const look = (value) => {
    if (value === null || typeof value !== "object" || value instanceof Written) return;
    if (isNode(value)) {
      if (nodes.has(value.elementId)) return;
      if (nodes.size < most) nodes.set(value.elementId, value);
      else left += 1;
    } else if (isRelationship(value)) {
      if (relationships.size < 2 * most) relationships.set(value.elementId, value);
    } else {
      Object.values(value).forEach(look);
    }
  };
  rows.forEach(look);
  return { nodes, relationships, left };
}
