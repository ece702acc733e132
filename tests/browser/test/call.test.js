// A call on our own page, as people have it.

import assert from 'node:assert/strict';
import { hum } from '../lib/hum.js';
import { join } from '../lib/person.js';
import { until } from '../lib/poll.js';
import { newRoom, test } from '../lib/world.js';

test('three people see and hear one another', async ({ server, browser }) => {
  const room = newRoom();
  const ada = await join(browser, server.url, 'Ada', room);
  const bob = await join(browser, server.url, 'Bob', room);
  const cleo = await join(browser, server.url, 'Cleo', room);

  await Promise.all([ada.sees('Bob', 'Cleo'), bob.sees('Ada', 'Cleo'), cleo.sees('Ada', 'Bob')]);
  for (const person of [ada, bob, cleo]) {
    const others = [ada, bob, cleo].filter((other) => other !== person);
    for (const other of others) {
      const { width, height } = await person.watches(other.name);
      assert.ok(['640x360', '320x180'].includes(`${width}x${height}`), `${width}x${height}`);
    }
    await person.hears(2);
  }
  for (const { page } of [ada, bob, cleo]) {
    const errors = page.notes.filter((note) => note.startsWith('error'));
    assert.deepEqual(errors, []);
  }
});

test('an enlarged tile gets the full picture', async ({ server, browser }) => {
  const room = newRoom();
  const ada = await join(browser, server.url, 'Ada', room);
  const bob = await join(browser, server.url, 'Bob', room);

  await ada.sees('Bob');
  await ada.tile('Bob').hover();
  await ada.page.getByRole('button', { name: 'Enlarge Bob' }).click();
  await until('640x360 in the large tile', async () => (await ada.video('Bob')).width === 640);
  await ada.watches('Bob');
  await bob.watches('Ada');
});

test('whoever speaks is marked as the speaker', async ({ server, browser }) => {
  const room = newRoom();
  const prepare = (page) => page.addInitScript(hum);
  const ada = await join(browser, server.url, 'Ada', room);
  const bob = await join(browser, server.url, 'Bob', room, { prepare });

  await ada.page.locator('.tile[data-name="Bob"][data-speaking]').waitFor();
  await bob.press('Mute microphone');
  await ada.page.locator('.tile[data-name="Bob"]:not([data-speaking])').waitFor();
});

test('a shared screen arrives and goes', async ({ server, browser }) => {
  const room = newRoom();
  const ada = await join(browser, server.url, 'Ada', room);
  const bob = await join(browser, server.url, 'Bob', room);

  await ada.sees('Bob');
  await bob.press('Share screen');
  await ada.tile('Bob', 'screen_share').waitFor();
  const { width, height } = await ada.watches('Bob', { source: 'screen_share', count: 3 });
  assert.ok(width > 0 && height > 0);
  assert.equal(await ada.tile('Bob', 'screen_share').getAttribute('data-main'), '');

  await bob.press('Stop sharing');
  await ada.tile('Bob', 'screen_share').waitFor({ state: 'detached' });
  await ada.watches('Bob');
});

test('a muted microphone and a camera that is off are seen by the others', async (world) => {
  const room = newRoom();
  const ada = await join(world.browser, world.server.url, 'Ada', room);
  const bob = await join(world.browser, world.server.url, 'Bob', room);

  await ada.watches('Bob');
  await bob.press('Mute microphone');
  await ada.page.locator('.tile[data-name="Bob"][data-muted]').waitFor();
  await bob.press('Turn camera off');
  await ada.page.locator('.tile[data-name="Bob"]:not([data-video])').waitFor();

  await bob.press('Unmute microphone');
  await bob.press('Turn camera on');
  await ada.page.locator('.tile[data-name="Bob"][data-video]:not([data-muted])').waitFor();
  await ada.watches('Bob');
  await ada.hears(1);
});

test('chat goes both ways, each message once', async ({ server, browser }) => {
  const room = newRoom();
  const ada = await join(browser, server.url, 'Ada', room);
  const bob = await join(browser, server.url, 'Bob', room);

  await ada.sees('Bob');
  await bob.sees('Ada');
  await ada.writes('Hello, is this the café?');
  await bob.reads('Ada', 'Hello, is this the café?');
  await bob.writes('Yes: https://example.org/menu');
  await ada.reads('Bob', 'Yes: https://example.org/menu');

  assert.equal(await ada.page.locator('.message').count(), 2);
  assert.equal(await bob.page.locator('.message').count(), 2);
});

test('a closed tab vanishes from the others', async ({ server, browser }) => {
  const room = newRoom();
  const ada = await join(browser, server.url, 'Ada', room);
  const bob = await join(browser, server.url, 'Bob', room);
  const cleo = await join(browser, server.url, 'Cleo', room);

  await ada.sees('Bob', 'Cleo');
  const closed = Date.now();
  await bob.closeTab();
  await ada.sees('Cleo');
  await cleo.sees('Ada');
  const seconds = (Date.now() - closed) / 1000;
  assert.ok(seconds < 10, `it took ${seconds} s`);
  await ada.watches('Cleo');
});

test('whoever leaves can come back', async ({ server, browser }) => {
  const room = newRoom();
  const ada = await join(browser, server.url, 'Ada', room);
  const bob = await join(browser, server.url, 'Bob', room);

  await ada.sees('Bob');
  await bob.press('Leave the call');
  await bob.page.getByRole('heading', { name: 'You left the call.' }).waitFor();
  await ada.sees();

  await bob.page.getByRole('button', { name: 'Rejoin' }).click();
  await bob.enter();
  await ada.sees('Bob');
  await ada.watches('Bob');
  await bob.watches('Ada');
});
