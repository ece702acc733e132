// The real binary, started as an operator would.

import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { once } from 'node:events';
import { freePort } from './ports.js';
import { until } from './poll.js';

/** Lines of the server's log that are kept for a failure. */
const LOG_LINES_MAX = 400;

/** Starts `millrace serve` on free ports; `flags` are further arguments. */
export async function startServer(flags = []) {
  const binary = process.env.MILLRACE_BIN;
  if (!binary) throw new Error('set MILLRACE_BIN to the path of the millrace binary');
  const directory = await mkdtemp(join(tmpdir(), 'millrace-browser-'));
  const [http, media, tls] = [await freePort(), await freePort(), await freePort()];
  const settings = {
    'http.listen': `127.0.0.1:${http}`,
    'http.tls_listen': `127.0.0.1:${await freePort()}`,
    'media.listen': `${process.env.MEDIA_ADDRESS ?? '127.0.0.1'}:${media}`,
    'media.shards': '2',
    'data.directory': directory,
    'control.socket': join(directory, 'relay.sock'),
    'turn.tls_listen': `127.0.0.1:${tls}`,
    'turn.users.bench': 'secret',
  };
  const sets = Object.entries(settings).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
  const child = spawn(resolve(binary), ['serve', ...sets, ...flags], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const server = new Server(child, directory, http);
  server.turn = {
    udp: `turn:127.0.0.1:${media}?transport=udp`,
    tcp: `turn:127.0.0.1:${media}?transport=tcp`,
    tls: `turns:127.0.0.1:${tls}?transport=tcp`,
  };
  await server.ready();

  return server;
}

/** A running server. */
class Server {
  constructor(child, directory, port) {
    this.child = child;
    this.directory = directory;
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.lines = [];
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => this.keep(text));
    }
  }

  /** Waits until it serves; fails with its log when it ends instead. */
  async ready() {
    await until('the server to be ready', async () => {
      if (this.child.exitCode !== null) return 'gone';
      const answer = await fetch(`${this.url}/readyz`);

      return answer.ok && 'ready';
    });
    if (this.child.exitCode !== null) {
      throw new Error(`the server ended with ${this.child.exitCode}:\n${this.log()}`);
    }
  }

  /** The last lines of its log. */
  log() {
    return this.lines.join('\n');
  }

  /** Reads one metric's sum over its labels. */
  async metric(name) {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    const rows = text
      .split('\n')
      .filter((row) => row.startsWith(`${name} `) || row.startsWith(`${name}{`));

    return rows.reduce((sum, row) => sum + Number(row.slice(row.lastIndexOf(' ') + 1)), 0);
  }

  /** Stops it as systemd would, and removes its directory. */
  async stop() {
    if (this.child.exitCode === null) {
      const gone = once(this.child, 'exit');
      this.child.kill('SIGTERM');
      const timer = setTimeout(() => this.child.kill('SIGKILL'), 10_000);
      await gone;
      clearTimeout(timer);
    }
    await rm(this.directory, { recursive: true, force: true });
  }

  keep(text) {
    this.lines.push(...text.split('\n').filter(Boolean));
    this.lines.splice(0, Math.max(0, this.lines.length - LOG_LINES_MAX));
  }
}
