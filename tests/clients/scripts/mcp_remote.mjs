// mcp-remote, through which clients that speak stdio only reach a server; called as such a client would.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const program = join(dirname(fileURLToPath(import.meta.url)), "node_modules", ".bin", "mcp-remote");
const args = [process.argv[2], "--allow-http", "--transport", "http-only", "--header", `X-API-Key:${process.env.GRAPH_KEY}`];
const client = new Client({ name: "test", version: "1" });
await client.connect(new StdioClientTransport({ command: program, args, env: process.env }));
await client.listTools();
