// Adaptive stream: a picture has the size in which it is shown.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { join } from '../lib/person.js';
import { until } from '../lib/poll.js';
import { newRoom, test } from '../lib/world.js';

const SMALL = { width: 320, height: 420 };
/** Chromium sends the top layer late while its machine is busy. */
const LAYER_PATIENCE_MS = 100_000;
const LARGE = { width: 1280, height: 800 };

test('a small tile gets the small layer, a large one the large, a covered none', async (world) => {
  const { server, browser } = world;
  const room = newRoom();
  // All pages share one fake camera, in the format of whoever opened it first: 720p here. It may
  // be 960x720, from the lobby's first choice, so only heights are compared.
  const bob = await join(browser, server.url, 'Bob', room, { quality: 'high' });
  const ada = await join(browser, server.url, 'Ada', room, { size: SMALL });
  const heightOfBob = (wanted) =>
    until(
      `Bob's picture to be ${wanted} high`,
      async () => {
        assert.equal((await ada.video('Bob')).height, wanted);

        return true;
      },
      LAYER_PATIENCE_MS,
    );

  await ada.sees('Bob');
  await bob.sees('Ada');
  await heightOfBob(180);
  await ada.watches('Bob');

  await ada.page.setViewportSize(LARGE);
  await ada.tile('Bob').dblclick();
  await heightOfBob(720);
  await ada.watches('Bob');

  // Large on a small stage is between the two: taller than 180 pixels.
  await ada.page.setViewportSize(SMALL);
  await heightOfBob(360);
  await ada.page.keyboard.press('Escape');
  await heightOfBob(180);
  const before = await ada.watches('Bob');
  await ada.press('Chat');
  await until('nothing to come while the chat covers the stage', async () => {
    const first = await inboundFrames(ada);
    await pause(700);

    return first === (await inboundFrames(ada));
  });
  await ada.page.getByRole('button', { name: 'Close chat' }).click();
  const after = await ada.watches('Bob');
  assert.ok(after.frames > before.frames);
});

/** Frames decoded of everybody, shown or not. */
async function inboundFrames({ page }) {
  const reports = await page.evaluate(() => window.inbound());

  return reports.reduce((sum, { framesReceived = 0 }) => sum + framesReceived, 0);
}
