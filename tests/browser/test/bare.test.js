// livekit-client, unmodified, in a page that is not ours, with the SDK's own defaults.

import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { until } from '../lib/poll.js';
import { enter, layers, pair } from '../lib/sdk.js';
import { startSite } from '../lib/site.js';
import { newRoom, test } from '../lib/world.js';

let site;
before(async () => {
  site = await startSite();
});
after(() => site.close());

test('VP8 simulcast: a subscriber gets the layer it asks for', async (world) => {
  const [ada, bob] = await pair(site, world, newRoom());
  await ada.evaluate(() => window.publishCamera('vp8', 960, 540));
  await layers(bob, 'ada');
});

test('H.264 simulcast: a subscriber gets the layer it asks for', async (world) => {
  const [ada, bob] = await pair(site, world, newRoom());
  await ada.evaluate(() => window.publishCamera('h264', 960, 540));
  await layers(bob, 'ada');
  assert.equal((await bob.evaluate(() => window.watched('ada'))).mimeType, 'video/H264');
  const sent = await ada.evaluate(() => window.outbound());
  const codecs = sent.filter((r) => r.kind === 'video').map((r) => r.mimeType);
  assert.deepEqual([...new Set(codecs)], ['video/H264']);
});

test('audio, speakers and mute reach the SDK', async (world) => {
  const [ada, bob] = await pair(site, world, newRoom());
  await ada.evaluate(() => window.publishMicrophone());
  await until('energy of the audio', () =>
    bob.evaluate(async () => {
      const audio = (await window.inbound()).filter((r) => r.kind === 'audio');

      return audio.some((r) => r.totalAudioEnergy > 1e-4);
    }),
  );
  await until('ada to speak', () => bob.evaluate(() => window.seen.speakers.includes('ada')));
  await ada.evaluate(() => window.room.localParticipant.setMicrophoneEnabled(false));
  await until('ada to be muted', () =>
    bob.evaluate(() => window.seen.muted.includes('ada microphone')),
  );
});

test('data packets and text streams reach the others, or the one they are for', async (world) => {
  const room = newRoom();
  const [ada, bob] = await pair(site, world, room);
  const cleo = await enter(site, world, room, 'cleo');
  await until('ada to see both', () =>
    ada.evaluate(() => window.room.remoteParticipants.size === 2),
  );
  await ada.evaluate(async () => {
    const me = window.room.localParticipant;
    const bytes = (text) => new TextEncoder().encode(text);
    await me.publishData(bytes('to all'), { reliable: true, topic: 't' });
    const destinationIdentities = ['bob'];
    await me.publishData(bytes('to bob'), { reliable: true, topic: 't', destinationIdentities });
    await me.sendText('x'.repeat(40_000), { topic: 'greetings' });
  });

  const got = (page) => page.evaluate(() => window.seen);
  await until('the long text at cleo', async () => (await got(cleo)).texts.length === 1);
  await until('the long text at bob', async () => (await got(bob)).texts.length === 1);
  const { data, texts } = await got(bob);
  assert.deepEqual(data, [
    { from: 'ada', topic: 't', text: 'to all' },
    { from: 'ada', topic: 't', text: 'to bob' },
  ]);
  assert.deepEqual(texts, [{ from: 'ada', text: 'x'.repeat(40_000) }]);
  assert.deepEqual(
    (await got(cleo)).data.map((d) => d.text),
    ['to all'],
  );
});

test('leaving is seen at once, and both ends agree on why', async (world) => {
  const [ada, bob] = await pair(site, world, newRoom());
  await ada.evaluate(() => window.room.disconnect());
  await until('ada to be gone', () => bob.evaluate(() => window.seen.left.includes('ada')));
});

test('a track that was given up comes again, as often as one likes', async (world) => {
  const [ada, bob] = await pair(site, world, newRoom());
  await ada.evaluate(() => window.publishCamera('vp8', 640, 360));
  const lines = () =>
    bob.evaluate(() => window.peers.map((p) => p.remoteDescription?.sdp.split('m=').length));
  let before;
  for (let round = 0; round < 3; round += 1) {
    await until('pictures', async () => {
      const { frames } = await bob.evaluate(() => window.watched('ada'));

      return frames > 5;
    });
    before ??= await lines();
    await bob.evaluate(() => window.subscribeTo('ada', false));
    await until('no track', () =>
      bob.evaluate(async () => (await window.watched('ada')).frames === 0),
    );
    await bob.evaluate(() => window.subscribeTo('ada', true));
  }
  // One more where a track was asked for again before its rejection was answered.
  const most = (all) => Math.max(...all.filter((count) => count !== undefined));
  const [first, last] = [most(before), most(await lines())];
  assert.ok(last <= first + 1, `m-lines grow from ${first} to ${last}`);
});
