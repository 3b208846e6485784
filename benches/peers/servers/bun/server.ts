// Broadcast with Bun's own WebSocket server and its pub/sub, by POST as well: `server.ts PORT [deflate]`.

const port = Number(process.argv[2]);
const isDeflated = process.argv[3] === "deflate";

const server = Bun.serve<{ topic: string }>({
  hostname: "127.0.0.1",
  port,
  async fetch(request, server) {
    const { pathname } = new URL(request.url);
    const topic = pathname.slice("/ws/".length) || "lobby";
    if (request.method === "POST") {
      server.publish(topic, await request.text());
      return Response.json({ readers: server.subscriberCount(topic) });
    }
    if (server.upgrade(request, { data: { topic } })) return;
    return new Response("expected a WebSocket", { status: 426 });
  },
  websocket: {
    maxPayloadLength: 1024 * 1024,
    idleTimeout: 120,
    // As much as fanfare keeps for a reader that lags, and the same end for one that lags more.
    backpressureLimit: 8 * 1024 * 1024,
    closeOnBackpressureLimit: true,
    perMessageDeflate: isDeflated,
    open(ws) {
      ws.subscribe(ws.data.topic);
    },
    // Not ws.publish(), which leaves out the sender.
    message(ws, message) {
      server.publish(ws.data.topic, message, isDeflated);
    },
  },
});
