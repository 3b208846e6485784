/**
 * The relay under test, as a process of its own, and a reverse proxy that serves it beneath a prefix.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import net from "node:net";

const DEADLINE_MS = 20_000;

export class Relay {
  #process;
  /** The address to open, with a slash at its end. */
  url;

  /** Starts the binary that FANFARE_BIN names, with these flags; at `port` 0 the system chooses one. */
  static async start(port = 0, ...flags) {
    const binary = process.env.FANFARE_BIN;
    if (!binary) throw new Error("set FANFARE_BIN to the path of the fanfare binary");
    const relay = new Relay();
    const child = spawn(binary, ["--listen", `127.0.0.1:${port}`, ...flags], { stdio: ["ignore", "pipe", "pipe"] });
    relay.#process = child;
    relay.url = await addressPrintedBy(child);
    return relay;
  }

  get port() {
    return Number(new URL(this.url).port);
  }

  /** Ends it as an operator would, and returns its exit code. */
  async stop() {
    if (this.#process.exitCode !== null) return this.#process.exitCode;
    const exit = once(this.#process, "exit", { signal: AbortSignal.timeout(DEADLINE_MS) });
    this.#process.kill("SIGTERM");
    const [code] = await exit;
    return code;
  }
}

function addressPrintedBy(child) {
  return new Promise((resolve, reject) => {
    let printed = "";
    const fail = (why) => reject(new Error(`the relay ${why}; it printed: ${printed}`));
    const timer = setTimeout(() => fail("named no address in time"), DEADLINE_MS);
    const read = (chunk) => {
      printed += chunk;
      const address = /open (http:\/\/\S+)/.exec(printed);
      if (!address) return;
      clearTimeout(timer);
      resolve(address[1]);
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.on("error", (error) => fail(error.message));
    child.on("exit", (code) => fail(`ended with exit code ${code}`));
  });
}

/**
 * Serves what stands at `target` beneath `prefix` ("/relay/"), with what `alter` makes of its headers;
 * returns `{ url, cut, mend, close }`: `cut` ends all WebSockets as a lost network does, and lets none pass
 * until `mend`.
 */
export async function startProxy(target, prefix, alter = (headers) => headers) {
  const upstream = new URL(target);
  const tunnels = new Set();
  let isCut = false;
  const server = http.createServer((request, response) => {
    if (!request.url.startsWith(prefix)) {
      response.writeHead(404).end();
      return;
    }
    const forwarded = http.request({ ...ask(request), agent: false }, (answer) => {
      response.writeHead(answer.statusCode, alter(answer.headers));
      answer.pipe(response);
    });
    forwarded.on("error", () => response.destroy());
    request.pipe(forwarded);
  });
  server.on("upgrade", (request, client, head) => {
    if (isCut || !request.url.startsWith(prefix)) {
      client.destroy();
      return;
    }
    const { method, path, headers } = ask(request);
    const relay = net.connect(Number(upstream.port), upstream.hostname);
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    relay.write(`${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n`);
    relay.write(head);
    client.pipe(relay).pipe(client);
    for (const socket of [client, relay]) {
      tunnels.add(socket);
      socket.on("close", () => tunnels.delete(socket));
      socket.on("error", () => {
        client.destroy();
        relay.destroy();
      });
    }
  });
  const ask = ({ method, url, headers }) => ({
    host: upstream.hostname,
    port: upstream.port,
    method,
    path: `/${url.slice(prefix.length)}`,
    // The browser's Host stays, so that it still matches the browser's Origin.
    headers,
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}${prefix}`,
    cut: () => {
      isCut = true;
      for (const socket of tunnels) socket.destroy();
    },
    mend: () => (isCut = false),
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}
