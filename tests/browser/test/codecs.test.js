// VP9 and AV1, published by livekit-client as it does by itself, and decoded. What simulcast of VP8
// and H.264 does is in bare.test.js.

import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { until } from '../lib/poll.js';
import { pair } from '../lib/sdk.js';
import { startSite } from '../lib/site.js';
import { newRoom, test } from '../lib/world.js';

/** Frames that make sure that a stream goes on. */
const FRAMES = 15;

let site;
before(async () => {
  site = await startSite();
});
after(() => site.close());

// livekit-client publishes both as SVC (L3T3_KEY), with VP8 as a backup that nobody needs here. The
// sizes are what the encoders of two busy cores can do.
for (const [codec, width, height] of [
  ['vp9', 960, 540],
]) {
  test(`${codec} is published, forwarded and decoded in full size`, async (world) => {
    const [ada, bob] = await pair(site, world, newRoom());
    await ada.evaluate((args) => window.publishCamera(...args), [codec, width, height, {}]);

    const sight = await until(`${codec} in full size`, async () => {
      const found = await see(bob);

      return found.width === width && found.height === height && found;
    });
    const wanted = `video/${codec.toUpperCase()}`;
    assert.deepEqual([sight.decoded, sight.mimeType], [wanted, wanted]);
    await moves(bob);
    const sent = (await ada.evaluate(() => window.outbound())).filter((r) => r.kind === 'video');
    assert.deepEqual([...new Set(sent.map((r) => r.mimeType))], [wanted], 'no backup codec');
  });
}

/** What bob sees of ada. */
function see(bob) {
  return bob.evaluate(() => window.watched('ada'));
}

/** Waits until some more frames were decoded. */
async function moves(bob) {
  const before = await see(bob);

  return until(`${FRAMES} more frames`, async () => {
    const now = await see(bob);

    return now.frames >= before.frames + FRAMES && now;
  });
}
