// VP9 and AV1, published by livekit-client as it does by itself: as SVC (L3T3_KEY), all layers in
// one stream, with VP8 as a backup that nobody needs here. Simulcast is in bare.test.js.

import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { until } from '../lib/poll.js';
import { pair } from '../lib/sdk.js';
import { startSite } from '../lib/site.js';
import { newRoom, test } from '../lib/world.js';

/** Frames that make sure that a stream goes on. */
const FRAMES = 15;
/** A layer with a keyframe of its own is there within a second; twice that is a freeze. */
const GAP_SECONDS_MAX = 2;
const [LOW, HIGH] = [0, 2];

let site;
before(async () => {
  site = await startSite();
});
after(() => site.close());

// The sizes are what the encoders of two busy cores can do.
for (const [codec, width, height] of [
  ['vp9', 960, 540],
  ['av1', 640, 360],
]) {
  test(`${codec}: a subscriber gets the layers it asks for`, async (world) => {
    const [ada, bob] = await pair(site, world, newRoom());
    await ada.evaluate((args) => window.publishCamera(...args), [codec, width, height, {}]);
    const sight = await sees(bob, (found) => found.width === width && found.height === height);
    const wanted = `video/${codec.toUpperCase()}`;
    assert.deepEqual([sight.decoded, sight.mimeType], [wanted, wanted]);
    const sent = (await ada.evaluate(() => window.outbound())).filter((r) => r.kind === 'video');
    assert.deepEqual([...new Set(sent.map((r) => r.mimeType))], [wanted], 'no backup codec');

    await bob.evaluate(() => window.watchGaps());
    await bob.evaluate((quality) => window.wantQuality('ada', quality), LOW);
    // Chromium leaves the smallest layer of AV1 out where it would be too small.
    await sees(bob, (found) => found.width <= width / 2);
    await bob.evaluate((quality) => window.wantQuality('ada', quality), HIGH);
    await sees(bob, (found) => found.width === width);
    const gap = await bob.evaluate(() => window.longestGapSeconds);
    assert.ok(gap > 0 && gap < GAP_SECONDS_MAX, `${gap} s without a picture`);

    await bob.evaluate(() => window.wantFps('ada', 10));
    await until('fewer frames than the camera gives', async () => (await rate(ada, bob)) < 0.7);
    assert.equal((await see(bob)).width, width, 'in full size still');
  });
}

/** What bob sees of ada. */
function see(bob) {
  return bob.evaluate(() => window.watched('ada'));
}

/** Waits for a picture that fits, and for some more of it. */
async function sees(bob, fits) {
  const before = await until('a picture that fits', async () => {
    const found = await see(bob);

    return fits(found) ? found : Promise.reject(new Error(JSON.stringify(found)));
  });

  return until(`${FRAMES} more frames`, async () => {
    const found = await see(bob);

    return found.frames >= before.frames + FRAMES && fits(found) && found;
  });
}

/** Of the frames that ada's camera gives, the part that bob decodes, over 40 of them. */
async function rate(ada, bob) {
  const captured = () => ada.evaluate(() => window.captured());
  const decoded = async () => (await see(bob)).frames;
  const [first, begin] = [await captured(), await decoded()];
  const last = await until('the camera to go on', async () => {
    const now = await captured();

    return now >= first + 40 && now;
  });

  return ((await decoded()) - begin) / (last - first);
}
