// npm `ws` as a child process: joins the address given as its first argument, with the options that
// the second one holds as JSON, does what each line of standard input says, and says what happened
// in a line of standard output each, as JSON. It ends when standard input does.

import { createInterface } from 'node:readline';
import { WebSocket } from 'ws';

const socket = new WebSocket(process.argv[2], JSON.parse(process.argv[3] ?? '{}'));
const say = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);

socket.on('open', () => say({ event: 'open', extensions: socket.extensions }));
socket.on('unexpected-response', (_request, response) => {
  say({ event: 'refused', status: response.statusCode });
  socket.terminate();
});
socket.on('message', (data, isBinary) => {
  const content = isBinary ? { binary: data.toString('base64') } : { text: data.toString('utf8') };
  say({ event: 'message', ...content });
});
socket.on('pong', (data) => say({ event: 'pong', text: data.toString('utf8') }));
socket.on('close', (code, reason) => say({ event: 'close', code, reason: reason.toString('utf8') }));
// A write that fails is followed by 'close', which says how the connection ended.
socket.on('error', () => {});

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  switch (order.do) {
    case 'send': {
      const binary = 'binary' in order;
      const data = binary ? Buffer.from(order.binary, 'base64') : order.text;
      socket.send(data, { binary, fin: order.fin }, () => {});
      break;
    }
    case 'ping':
      socket.ping(order.text);
      break;
    case 'close':
      socket.close(order.code, order.reason);
      break;
    default:
      throw new Error(`no such order: ${line}`);
  }
}
socket.terminate();
