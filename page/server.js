// Speaks to this server: MCP at /mcp, as any client does, and /page/me about whoever reads this page.

import { exactly } from "./values.js";

const VERSION = "2025-11-25";

let credential = null;
let calls = 0;

/** What the server said instead of an answer, in its own words. `status` is 0 if it did not answer at all. */
export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** Send `text`, an API key or a token, with every request from now on; null sends nothing. Nothing is stored. */
export function present(text) {
  credential = text;
}

export function presents() {
  return credential !== null;
}

export async function about() {
  const { response, text } = await ask("page/me", { method: "GET" });
  if (!response.ok) throw new Refused(text.trim() || `The server answered ${response.status}.`, response.status);
  return understood(text, response.status, JSON.parse);
}

export async function tools() {
  return (await call("tools/list", {})).tools;
}

/** The result of the tool `name`: `structure`, if the server sends it, and `text`. */
export async function use(name, given, signal) {
  const result = await call("tools/call", { name, arguments: given }, signal);
  const text = (result.content ?? []).map((part) => part.text ?? "").join("\n");
  if (result.isError) throw new Refused(text || "The call failed.", 200);
  return { structure: result.structuredContent ?? null, text };
}

async function call(method, params, signal) {
  calls += 1;
  const { response, text } = await ask("mcp", {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json", "mcp-protocol-version": VERSION },
    body: JSON.stringify({ jsonrpc: "2.0", id: calls, method, params }),
    signal,
  });
  const message = understood(text, response.status);
  if (message.error) throw new Refused(String(message.error.message), response.status);
  return message.result;
}

function understood(text, status, read = exactly) {
  try {
    return read(text);
  } catch {
    throw new Refused(text.trim().slice(0, 500) || `The server answered ${status}, without a word.`, status);
  }
}

async function ask(path, options) {
  const headers = { ...options.headers, ...(credential === null ? {} : { authorization: `Bearer ${credential}` }) };
  try {
    const response = await fetch(path, { ...options, headers, cache: "no-store", redirect: "error" });
    return { response, text: await response.text() };
  } catch (error) {
    if (error.name === "AbortError") throw new Refused("Stopped.", 0);
    throw new Refused(
      "The server did not answer. It may have stopped, or your session with its platform has ended: reload this page.",
      0,
    );
  }
}
