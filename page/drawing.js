// Draws a graph with Cytoscape.js. Names are painted on a canvas: nothing in them can become markup.

import { element } from "./elements.js";

const COLOURS = ["#4c8bb5", "#d98a3d", "#5fa05a", "#c65f6c", "#8a72b8", "#a5835a", "#d477a8", "#4fa7a0", "#a8a043", "#7f8794"];
const LONGEST_CAPTION = 40;

const drawn = new Set();

/**
 * A drawing of `nodes` ({id, kind, caption}) and `edges` ({id, from, to, caption}). `chosen` gets the id of a node or
 * edge that is clicked, or null. Nodes of one kind have one colour.
 */
export function drawing({ nodes, edges, label, chosen }) {
  const canvas = element("div", { class: "canvas", role: "img", "aria-label": label });
  const kinds = new Map();
  for (const { kind } of nodes) if (!kinds.has(kind)) kinds.set(kind, COLOURS[kinds.size % COLOURS.length]);
  const legend = element("ul", { class: "legend" }, [...kinds].slice(0, 12).map(([kind, colour]) => keyOf(kind, colour)));
  const zoom = element("div", { class: "zoom" });
  const whole = element("div", { class: "drawing" }, canvas, element("div", { class: "below" }, kinds.size > 1 ? legend : null, zoom));
  let cy = null;
  const begin = () => {
    cy = globalThis.cytoscape({
      container: canvas,
      elements: elementsOf(nodes, edges, kinds),
      style: styleOf(canvas),
      layout: layoutOf(nodes.length),
      minZoom: 0.1,
      maxZoom: 4,
      userZoomingEnabled: false,
      boxSelectionEnabled: false,
      autounselectify: false,
    });
    stretch(cy);
    show(cy);
    const seen = new ResizeObserver(() => show(cy.resize()));
    seen.observe(canvas);
    cy.one("destroy", () => seen.disconnect());
    cy.on("tap", (event) => {
      cy.userZoomingEnabled(true);
      chosen?.(event.target === cy ? null : event.target.data("own"));
    });
    canvas.addEventListener("mouseleave", () => cy.userZoomingEnabled(false));
    drawn.add({ cy, canvas });
  };
  const by = (factor) => () => {
    const middle = { x: cy.width() / 2, y: cy.height() / 2 };
    cy.zoom({ level: cy.zoom() * factor, renderedPosition: middle });
  };
  zoom.append(
    element("button", { type: "button", "aria-label": "Zoom in", onclick: by(1.3) }, "+"),
    element("button", { type: "button", "aria-label": "Zoom out", onclick: by(1 / 1.3) }, "−"),
    element("button", { type: "button", "aria-label": "Show all", onclick: () => show(cy) }, "⤢"),
  );
  return { whole, begin, end: () => forget(canvas) };
}

function keyOf(kind, colour) {
  const dot = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  dot.setAttribute("viewBox", "0 0 10 10");
  dot.setAttribute("aria-hidden", "true");
  const circle = document.createElementNS("http://www.w3.org/2000/svg", "circle");
  for (const [key, value] of [["cx", 5], ["cy", 5], ["r", 5], ["fill", colour]]) circle.setAttribute(key, String(value));
  dot.append(circle);
  return element("li", {}, dot, short(kind));
}

function forget(canvas) {
  for (const one of drawn) {
    if (one.canvas !== canvas) continue;
    one.cy.destroy();
    drawn.delete(one);
  }
}

function short(text) {
  return text.length > LONGEST_CAPTION ? `${text.slice(0, LONGEST_CAPTION)}…` : text;
}

function elementsOf(nodes, edges, kinds) {
  const radius = 60 + 14 * nodes.length;
  const points = nodes.map(({ id, kind, caption }, at) => {
    const angle = (2 * Math.PI * at) / nodes.length;
    return {
      data: { id: `n${id}`, own: id, caption: short(caption), colour: kinds.get(kind) },
      position: { x: radius * Math.cos(angle), y: radius * Math.sin(angle) },
    };
  });
  const lines = edges.map(({ id, from, to, caption }) => ({
    data: { id: `e${id}`, own: id, source: `n${from}`, target: `n${to}`, caption: short(caption) },
  }));
  return [...points, ...lines];
}

function layoutOf(size) {
  return {
    name: "cose",
    animate: false,
    randomize: false, // from the circle above: the same graph is drawn the same way again
    padding: 24,
    componentSpacing: 60,
    nodeOverlap: 12,
    idealEdgeLength: () => 100,
    nodeRepulsion: () => 400_000,
    edgeElasticity: () => 60,
    gravity: 0.5,
    numIter: size > 150 ? 300 : 1000,
  };
}

/** Give a tall drawing the width that there is. */
function stretch(cy) {
  const box = cy.nodes().boundingBox();
  const factor = Math.min(2, cy.width() / cy.height() / (box.w / box.h));
  if (cy.nodes().length > 1 && factor > 1) cy.nodes().positions((node) => ({ x: node.position("x") * factor, y: node.position("y") }));
}

function show(cy) {
  cy.fit(undefined, 24);
  if (cy.zoom() > 1.3) cy.zoom(1.3).center();
}

function styleOf(canvas) {
  const seen = getComputedStyle(canvas);
  const colour = (name) => seen.getPropertyValue(name).trim();
  return [
    {
      selector: "node",
      style: {
        "background-color": "data(colour)",
        "z-index": 2,
        label: "data(caption)",
        color: colour("--text"),
        "font-family": "system-ui, sans-serif",
        "font-size": 14,
        "text-valign": "bottom",
        "text-margin-y": 4,
        "text-wrap": "ellipsis",
        "text-max-width": 130,
        "text-background-color": colour("--card"),
        "text-background-opacity": 0.75,
        width: 34,
        height: 34,
      },
    },
    {
      selector: "edge",
      style: {
        width: 1.5,
        "line-color": colour("--line"),
        "target-arrow-color": colour("--line"),
        "target-arrow-shape": "triangle",
        "curve-style": "bezier",
        "control-point-step-size": 40,
        label: "data(caption)",
        color: colour("--quiet"),
        "font-family": "system-ui, sans-serif",
        "font-size": 11,
        "text-rotation": "autorotate",
        "text-background-color": colour("--card"),
        "text-background-opacity": 0.85,
        "text-background-padding": 2,
      },
    },
    {
      selector: ":selected",
      style: { "line-color": colour("--accent"), "target-arrow-color": colour("--accent"), "border-width": 3, "border-color": colour("--accent") },
    },
  ];
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const { cy, canvas } of drawn) cy.style(styleOf(canvas));
});
