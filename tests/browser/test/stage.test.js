// The stage: who is large, and how a person changes that.

import assert from 'node:assert/strict';
import { hum } from '../lib/hum.js';
import { join } from '../lib/person.js';
import { newRoom, test } from '../lib/world.js';

/** Waits until a tile is the large one. */
function large(person, name, source = 'camera') {
  return person.page
    .locator(`.tile[data-main][data-name="${name}"][data-source="${source}"]`)
    .waitFor();
}

test('the screen wins over the speaker, a pinned tile over both', async ({ server, browser }) => {
  const room = newRoom();
  const prepare = (page) => page.addInitScript(hum);
  const ada = await join(browser, server.url, 'Ada', room);
  const bob = await join(browser, server.url, 'Bob', room);
  const cleo = await join(browser, server.url, 'Cleo', room, { prepare });
  await ada.sees('Bob', 'Cleo');
  assert.equal(await ada.page.locator('.tile[data-main]').count(), 0);

  await ada.press('Show the speaker large');
  await large(ada, 'Cleo');
  await bob.press('Share screen');
  await large(ada, 'Bob', 'screen_share');
  // One's own screen is not large: it would show itself.
  assert.equal(await bob.page.locator('.tile[data-main]').count(), 0);

  await ada.tile('Bob').click();
  await large(ada, 'Bob');
  await ada.page.keyboard.press('Escape');
  await large(ada, 'Bob', 'screen_share');
  await ada.page.getByRole('button', { name: 'Enlarge Cleo' }).focus();
  await ada.page.keyboard.press('Enter');
  await large(ada, 'Cleo');
  await ada.page.getByRole('button', { name: 'Put back Cleo' }).press('Space');
  await large(ada, 'Bob', 'screen_share');

  await ada.press('Show the grid');
  await ada.page.locator('.tile[data-main]').waitFor({ state: 'detached' });
  await ada.watches('Bob', { source: 'screen_share', count: 3 });
  await cleo.watches('Ada');
});

test('the speaker changes when another has spoken for a while', async ({ server, browser }) => {
  const room = newRoom();
  const prepare = (page) => page.addInitScript(hum);
  const ada = await join(browser, server.url, 'Ada', room);
  const bob = await join(browser, server.url, 'Bob', room, { prepare });
  const cleo = await join(browser, server.url, 'Cleo', room, { prepare });
  await ada.sees('Bob', 'Cleo');
  await cleo.press('Mute microphone');
  await ada.press('Show the speaker large');
  await ada.page.locator('.tile[data-name="Bob"][data-speaking]').waitFor();
  await large(ada, 'Bob');

  // Bob has the floor and keeps it while both hum.
  await cleo.press('Unmute microphone');
  await ada.page.locator('.tile[data-name="Cleo"][data-speaking]').waitFor();
  await large(ada, 'Bob');
  await bob.press('Mute microphone');
  await large(ada, 'Cleo');
});
