// Lines that break: the page comes back by itself, and nobody else notices.

import assert from 'node:assert/strict';
import { join } from '../lib/person.js';
import { until } from '../lib/poll.js';
import { startLine } from '../lib/proxy.js';
import { newRoom, test } from '../lib/world.js';

test('a cut signalling line resumes while media flows and nobody sees a leave', async (world) => {
  const { server, browser } = world;
  const room = newRoom();
  const line = await startLine(server.port);
  try {
    const ada = await join(browser, server.url, 'Ada', room);
    const bob = await join(browser, line.url, 'Bob', room);
    await ada.sees('Bob');
    await ada.watches('Bob');
    await bob.watches('Ada');
    await watchForLeave(ada.page, 'Bob');

    line.cut();
    await bob.page.getByText('The server is out of reach.').waitFor();
    await ada.watches('Bob');
    await bob.watches('Ada');
    line.mend();
    await bob.page.locator('.toast', { hasText: 'The connection is back.' }).waitFor();
    await bob.page.getByText('The server is out of reach.').waitFor({ state: 'hidden' });

    await ada.watches('Bob');
    await bob.watches('Ada');
    assert.equal(await ada.page.evaluate(() => window.vanished), false, 'Ada saw Bob leave');
    await bob.writes('still here');
    await ada.reads('Bob', 'still here');
    await bob.press('Mute microphone');
    await ada.page.locator('.tile[data-name="Bob"][data-muted]').waitFor();
  } finally {
    line.close();
  }
});

test('whoever joined during the cut is seen after it', async ({ server, browser }) => {
  const room = newRoom();
  const line = await startLine(server.port);
  try {
    const ada = await join(browser, line.url, 'Ada', room);
    const bob = await join(browser, server.url, 'Bob', room);
    await ada.sees('Bob');
    line.cut();
    await ada.page.getByText('The server is out of reach.').waitFor();
    const cleo = await join(browser, server.url, 'Cleo', room);
    await bob.closeTab();
    await cleo.sees('Ada');
    line.mend();

    await ada.sees('Cleo');
    await ada.watches('Cleo');
    await cleo.watches('Ada');
  } finally {
    line.close();
  }
});

test('a line that stays cut ends in a notice, and rejoining works', async ({ server, browser }) => {
  const room = newRoom();
  const line = await startLine(server.port);
  try {
    const ada = await join(browser, server.url, 'Ada', room);
    const bob = await join(browser, line.url, 'Bob', room);
    await ada.sees('Bob');
    line.cut();
    // The SDK gives up after its own number of tries, which takes most of a minute.
    await bob.page.getByRole('heading', { name: 'The connection was lost.' }).waitFor({
      timeout: 120_000,
    });
    line.mend();
    await bob.page.getByRole('button', { name: 'Rejoin' }).click();
    await bob.enter();
    await until('both to see each other', async () => {
      const names = [await ada.names(), await bob.names()];

      return names.every((seen) => seen.join() === 'Ada,Bob');
    });
    await ada.watches('Bob');
  } finally {
    line.close();
  }
});

/** Notes in the page whether a tile ever goes. */
function watchForLeave(page, name) {
  return page.evaluate((who) => {
    window.vanished = false;
    new MutationObserver(() => {
      window.vanished ||= !document.querySelector(`.tile[data-name="${who}"]`);
    }).observe(document.querySelector('.stage'), { childList: true });
  }, name);
}
