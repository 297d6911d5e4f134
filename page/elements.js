// Makes elements. Whatever is shown becomes a text node: no text from a graph or a server is ever read as markup.

export function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== undefined && value !== null) made.setAttribute(key, String(value));
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined).map(asNode));
  return made;
}

function asNode(child) {
  return child instanceof Node ? child : document.createTextNode(String(child));
}

export function fill(parent, ...children) {
  parent.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined).map(asNode));
}

export function byId(id) {
  return document.getElementById(id);
}

/** A list of terms and what they are; pairs without a value are left out. */
export function terms(pairs) {
  const known = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return element("dl", {}, known.flatMap(([term, value]) => [element("dt", {}, term), element("dd", {}, value)]));
}

const MARKED = /^([\s\S]*?)\nBelow is [^\n]*<(untrusted-data-[0-9a-f]+)>[^\n]*\n<\2>\n([\s\S]*)\n<\/\2>$/;

/** What went wrong, in the server's words. What the database says about it stands apart, as the server marks it. */
export function problem(text) {
  const [, said, , detail] = MARKED.exec(text) ?? [null, text];
  return element("div", { class: "problem", role: "alert" }, said, detail === undefined ? null : element("pre", {}, detail));
}

export function quiet(text) {
  return element("p", { class: "quiet" }, text);
}

export function counted(number, one, many) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many ?? `${one}s`}`;
}
