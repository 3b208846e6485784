// Broadcast with `ws` on Node, as its README does it, and with Node's own HTTP server by POST and to readers of
// server-sent events: `server.mjs PORT [deflate]`.

import { createServer } from "node:http";
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

function join(name, kind, member) {
  if (!topics.has(name)) topics.set(name, { sockets: new Set(), streams: new Set() });
  const topic = topics.get(name);
  topic[kind].add(member);
  member.on("close", () => {
    topic[kind].delete(member);
    if (topic.sockets.size + topic.streams.size === 0) topics.delete(name);
  });
}

function publish(name, message, isBinary) {
  const topic = topics.get(name);
  if (!topic) return 0;
  for (const socket of topic.sockets) {
    if (socket.bufferedAmount > BACKPRESSURE_MAX) socket.terminate();
    else socket.send(message, { binary: isBinary });
  }
  if (topic.streams.size > 0 && !isBinary) {
    const lines = message.toString().split(/\r\n|\r|\n/);
    const event = Buffer.from(lines.map((line) => `data: ${line}\n`).join("") + "\n");
    for (const stream of topic.streams) {
      if (stream.writableLength > BACKPRESSURE_MAX) stream.destroy();
      else stream.write(event);
    }
  }
  return topic.sockets.size + topic.streams.size;
}

const topicOf = (request) => request.url.slice("/ws/".length) || "lobby";

const server = createServer((request, response) => {
  const name = topicOf(request);
  if (request.method === "POST") {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
      const readers = publish(name, Buffer.concat(parts), false);
      response.setHeader("Content-Type", "application/json").end(JSON.stringify({ readers }));
    });
  } else if (request.headers.accept === "text/event-stream") {
    response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" }).flushHeaders();
    join(name, "streams", response);
  } else {
    response.writeHead(426).end();
  }
});

const webSockets = new WebSocketServer({
  server,
  maxPayload: 1024 * 1024,
  perMessageDeflate: process.argv[3] === "deflate" && DEFLATE,
});

webSockets.on("connection", (client, request) => {
  const name = topicOf(request);
  join(name, "sockets", client);
  client.on("error", () => client.terminate());
  client.on("message", (message, isBinary) => publish(name, message, isBinary));
});

server.listen({ host: "127.0.0.1", port: Number(process.argv[2]), backlog: 4096 });
