// Serves the bare page from an origin of its own, as a developer's web server would.

import { createServer } from 'node:http';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const BARE = fileURLToPath(new URL('../bare', import.meta.url));
const SDK = dirname(createRequire(import.meta.url).resolve('livekit-client'));

const FILES = {
  '/': [join(BARE, 'index.html'), 'text/html'],
  '/bare.js': [join(BARE, 'bare.js'), 'text/javascript'],
  '/livekit-client.umd.js': [join(SDK, 'livekit-client.umd.js'), 'text/javascript'],
};

/** Starts the site; `close` ends it. */
export async function startSite() {
  const server = createServer(async (request, response) => {
    const [path, type] = FILES[request.url] ?? [];
    if (!path) return response.writeHead(404).end();

    return response.writeHead(200, { 'Content-Type': type }).end(await readFile(path));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = () => {
    server.closeAllConnections();
    server.close();
  };

  return { url: `http://127.0.0.1:${server.address().port}/`, close };
}
