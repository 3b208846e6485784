// Broadcast with `ws` on Node, as its README does it: `server.mjs PORT [deflate]`.

import { WebSocketServer } from "ws";

// As much as fanfare keeps for a reader that lags, and the same end for one that lags more.
const BACKPRESSURE_MAX = 8 * 1024 * 1024;

// What its README proposes. The threshold, and zlib for one message after the other, are its defaults.
const DEFLATE = {
  zlibDeflateOptions: { chunkSize: 1024, memLevel: 7, level: 3 },
  zlibInflateOptions: { chunkSize: 10 * 1024 },
  clientNoContextTakeover: true,
  serverNoContextTakeover: true,
};

const topics = new Map();

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: Number(process.argv[2]),
  backlog: 4096,
  maxPayload: 1024 * 1024,
  perMessageDeflate: process.argv[3] === "deflate" && DEFLATE,
});

server.on("connection", (client, request) => {
  const name = request.url.slice("/ws/".length) || "lobby";
  if (!topics.has(name)) topics.set(name, new Set());
  const members = topics.get(name).add(client);
  client.on("error", () => client.terminate());
  client.on("close", () => {
    members.delete(client);
    if (members.size === 0) topics.delete(name);
  });
  client.on("message", (message, isBinary) => {
    for (const member of members) {
      if (member.bufferedAmount > BACKPRESSURE_MAX) member.terminate();
      else member.send(message, { binary: isBinary });
    }
  });
});
