// npm `eventsource` as a child process: reads the address given as its argument, and says each event in a line of
// standard output, as JSON. It ends when standard input does.

import { EventSource } from 'eventsource';

const source = new EventSource(process.argv[2]);
const say = ({ type: name, lastEventId: id, data }) =>
  process.stdout.write(`${JSON.stringify({ name, id, data })}\n`);

for (const name of ['message', 'binary', 'gap']) source.addEventListener(name, say);
source.addEventListener('error', () => {
  if (source.readyState === EventSource.CLOSED) say({ type: 'closed' });
});
process.stdin.on('end', () => source.close()).resume();
