// Settings changed in the middle of a call: what is sent changes, and nobody leaves.

import assert from 'node:assert/strict';
import { join } from '../lib/person.js';
import { until } from '../lib/poll.js';
import { newRoom, test } from '../lib/world.js';

// A sender short of bandwidth or CPU leaves out upper layers of VP9; each is half as wide as the
// next.
const LAYERS_360P = [640, 320, 160];
const LAYERS_540P = [960, 480, 240];

test('codec and resolution change in mid-call, and are kept', async ({ server, browser }) => {
  const room = newRoom();
  const ada = await join(browser, server.url, 'Ada', room);
  // One browser opens a camera once: it would give Bob no more than Ada asked for.
  await ada.press('Turn camera off');
  const bob = await join(browser, server.url, 'Bob', room);
  await ada.watches('Bob');

  await bob.press(/^Settings/);
  const codecs = bob.page.getByLabel('Video codec').locator('option');
  const values = await codecs.evaluateAll((all) => all.map(({ value }) => value));
  assert.deepEqual(values, ['vp8', 'h264', 'vp9', 'av1']);
  await choose(bob, 'Video codec', 'vp9');
  await shows(ada, 'video/VP9', LAYERS_360P);
  await choose(bob, 'Camera quality', 'standard');
  await shows(ada, 'video/VP9', LAYERS_540P);
  assert.equal(await bob.page.locator('main.call').count(), 1);

  // The next call begins as this one ends.
  await bob.page.getByRole('button', { name: 'Close settings' }).click();
  await bob.press('Leave the call');
  await bob.page.getByRole('button', { name: 'Rejoin' }).click();
  await bob.page.reload();
  await bob.enter('standard');
  await ada.sees('Bob');
  await shows(ada, 'video/VP9', LAYERS_540P);
});

test('a camera that is off takes the new settings when it is on', async ({ server, browser }) => {
  const room = newRoom();
  const ada = await join(browser, server.url, 'Ada', room);
  const bob = await join(browser, server.url, 'Bob', room);
  await ada.watches('Bob');
  await bob.press('Turn camera off');
  await ada.page.locator('.tile[data-name="Bob"]:not([data-video])').waitFor();

  await bob.press(/^Settings/);
  await choose(bob, 'Video codec', 'h264');
  await bob.page.getByRole('button', { name: 'Close settings' }).click();
  await bob.press('Turn camera on');
  await until('H.264', async () => (await ada.video('Bob')).mimeType === 'video/H264');
  await ada.watches('Bob');
});

function choose(person, label, value) {
  return person.page.getByRole('dialog').getByLabel(label).selectOption(value);
}

/** Waits until Bob's picture has this codec and one of these widths, and moves. */
async function shows(person, mimeType, widths) {
  await until(`${mimeType} of ${widths} pixels`, async () => {
    const sight = await person.video('Bob');
    assert.equal(sight.mimeType, mimeType);
    assert.ok(widths.includes(sight.width), `${sight.width}x${sight.height}`);

    return true;
  });
  await person.watches('Bob');
}
