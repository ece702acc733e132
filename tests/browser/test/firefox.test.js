// Firefox in a call with Chromium: livekit-client, unmodified, in both. Run by `namespace.sh`.

import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { launchFirefox, openFirefox } from '../lib/firefox.js';
import { until } from '../lib/poll.js';
import { enter } from '../lib/sdk.js';
import { startSite } from '../lib/site.js';
import { signToken } from '../lib/token.js';
import { newRoom, test } from '../lib/world.js';

let firefox;
let site;
before(async () => {
  [firefox, site] = await Promise.all([launchFirefox(), startSite()]);
});
after(async () => {
  site?.close();
  await firefox?.close();
});

test('Firefox and Chromium see and hear each other', async (world) => {
  const [ada, bob] = await call(world);
  await ada.evaluate(() => window.publishCamera('vp8', 640, 360));
  await ada.evaluate(() => window.publishMicrophone());
  await bob.evaluate(() => window.publishCamera('vp8', 640, 360));
  await bob.evaluate(() => window.publishMicrophone());
  for (const [page, other] of [
    [ada, 'bob'],
    [bob, 'ada'],
  ]) {
    assert.equal(await moving(page, other), 'video/VP8');
    await until(`sound of ${other}`, () =>
      page.evaluate(async () => {
        const audio = (await window.inbound()).filter((r) => r.kind === 'audio');

        return audio.some((r) => r.packetsReceived > 50);
      }),
    );
  }
});

test('Firefox decodes VP9', async (world) => {
  const [ada, bob] = await call(world);
  await ada.evaluate(() => window.publishCamera('vp9', 640, 360));
  assert.equal(await moving(bob, 'ada'), 'video/VP9');
});

test('Firefox gives a track up and gets it again', async (world) => {
  const [ada, bob] = await call(world);
  await ada.evaluate(() => window.publishCamera('vp8', 640, 360));
  for (let round = 0; round < 3; round += 1) {
    await moving(bob, 'ada');
    await bob.evaluate(() => window.subscribeTo('ada', false));
    await until('no track', () =>
      bob.evaluate(async () => (await window.watched('ada')).frames === 0),
    );
    await bob.evaluate(() => window.subscribeTo('ada', true));
  }
  await moving(bob, 'ada');
});

/** Ada in Chromium and bob in Firefox, connected. */
async function call(world) {
  const room = newRoom();
  const ada = await enter(site, world, room, 'ada');
  const bob = await openFirefox(firefox, site.url);
  const url = `ws://127.0.0.1:${world.server.port}`;
  await bob.evaluate((to, token) => window.start(to, token), url, signToken('bob', room));
  await until('bob to see ada', () =>
    bob.evaluate(() => window.room.remoteParticipants.has('ada')),
  );
  await until('ada to see bob', () =>
    ada.evaluate(() => window.room.remoteParticipants.has('bob')),
  );

  return [ada, bob];
}

/** Waits for more decoded pictures of somebody, and gives their codec. */
async function moving(page, identity) {
  const sight = () => page.evaluate((who) => window.watched(who), identity);
  const { frames } = await until(`a picture of ${identity}`, async () => {
    const now = await sight();

    return now.frames > 0 && now;
  });
  const { decoded } = await until(`pictures of ${identity}`, async () => {
    const now = await sight();

    return now.frames > frames + 15 && now;
  });

  return decoded;
}
