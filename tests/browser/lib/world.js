// What all tests share: one server, one browser; and what a failure shows.

import { after, afterEach, test as nodeTest } from 'node:test';
import { launch } from './browser.js';
import { startServer } from './server.js';

let server;
let browser;
let rooms = 0;

/** The server of this run. */
export function theServer() {
  server ??= startServer();

  return server;
}

/** The browser of this run. */
export function theBrowser() {
  browser ??= launch();

  return browser;
}

/** A room name that no other test uses. */
export function newRoom() {
  rooms += 1;

  return `room ${rooms}`;
}

/** A test that leaves no page behind, and shows the logs when it fails. */
export function test(name, body) {
  nodeTest(name, { timeout: 180_000 }, async () => {
    const running = { server: await theServer(), browser: await theBrowser() };
    try {
      await body(running);
    } catch (error) {
      const notes = running.browser.contexts().flatMap((c) => c.pages().map((p) => p.notes ?? []));
      console.error(
        `--- pages of "${name}"\n${notes.map((n) => n.slice(-40).join('\n')).join('\n--\n')}`,
      );
      console.error(`--- server of "${name}"\n${running.server.log()}`);
      throw error;
    }
  });
}

afterEach(async () => {
  const running = await browser;
  await Promise.all((running?.contexts() ?? []).map((context) => context.close()));
});

after(async () => {
  await (await browser)?.close();
  await (await server)?.stop();
});
