// People who use livekit-client, unmodified, with the SDK's own defaults, in a page that is not
// ours.

import { openPage } from './browser.js';
import { hum } from './hum.js';
import { until } from './poll.js';
import { signToken } from './token.js';

/** Somebody in a room, on the bare page of `site`. */
export async function enter(site, { server, browser }, room, identity) {
  const page = await openPage(browser);
  await page.addInitScript(hum);
  await page.goto(site.url);
  const url = `ws://127.0.0.1:${server.port}`;
  await page.evaluate(([to, token]) => window.start(to, token), [url, signToken(identity, room)]);

  return page;
}

/** Ada and bob, who are connected and see each other. */
export async function pair(site, world, room) {
  const ada = await enter(site, world, room, 'ada');
  const bob = await enter(site, world, room, 'bob');
  for (const [page, other] of [
    [bob, 'ada'],
    [ada, 'bob'],
  ]) {
    await until(`${other} to be seen`, () =>
      page.evaluate((who) => window.room.remoteParticipants.has(who), other),
    );
  }

  return [ada, bob];
}

/** Low, then high, then low again: frames go on being decoded, in the size asked for. */
export async function layers(page, identity) {
  const watched = () => page.evaluate((who) => window.watched(who), identity);
  for (const [quality, width] of [
    [0, 240],
    [2, 960],
    [1, 480],
  ]) {
    await until('a picture', () => watched().then((sight) => sight.frames > 0));
    await page.evaluate(([who, q]) => window.wantQuality(who, q), [identity, quality]);
    const before = await until(`a width near ${width}`, async () => {
      const sight = await watched();

      return Math.abs(sight.width - width) <= width / 3 && sight;
    });
    await until('15 more frames', async () => {
      const sight = await watched();

      return sight.frames >= before.frames + 15;
    });
  }
}
