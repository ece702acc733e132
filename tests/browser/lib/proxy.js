// A TCP line to the server that a test can cut: media takes its own way and stays.

import { connect, createServer } from 'node:net';
import { once } from 'node:events';

/** Starts a line to a port on 127.0.0.1. */
export async function startLine(port) {
  const line = new Line(port);
  line.server.listen(0, '127.0.0.1');
  await once(line.server, 'listening');
  line.url = `http://127.0.0.1:${line.server.address().port}`;

  return line;
}

/** A line that can be cut and mended. */
class Line {
  constructor(port) {
    this.port = port;
    this.open = true;
    this.pairs = new Set();
    this.server = createServer((near) => this.join(near));
  }

  /** Breaks what is connected, and refuses what comes. */
  cut() {
    this.open = false;
    for (const pair of this.pairs) for (const socket of pair) socket.resetAndDestroy();
  }

  /** Takes connections again. */
  mend() {
    this.open = true;
  }

  /** Ends the line for good. */
  close() {
    this.cut();
    this.server.close();
  }

  join(near) {
    near.on('error', () => {});
    if (!this.open) return near.resetAndDestroy();

    const far = connect(this.port, '127.0.0.1');
    const pair = [near, far];
    this.pairs.add(pair);
    const end = () => {
      this.pairs.delete(pair);
      for (const socket of pair) socket.destroy();
    };
    far.on('error', end);
    for (const socket of pair) socket.on('close', end);

    return near.pipe(far).pipe(near);
  }
}
