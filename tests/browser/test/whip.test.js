// WHIP and WHEP with nothing but fetch and RTCPeerConnection, in pages that are not ours.

import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { openPage } from '../lib/browser.js';
import { hum } from '../lib/hum.js';
import { until } from '../lib/poll.js';
import { enter as join, layers } from '../lib/sdk.js';
import { startSite } from '../lib/site.js';
import { signToken } from '../lib/token.js';
import { newRoom, test } from '../lib/world.js';

let site;
before(async () => {
  site = await startSite();
});
after(() => site.close());

test('WHIP publishes, WHEP plays and follows from one publisher to the next', async (world) => {
  const room = newRoom();
  const viewer = await enter(world, 'whep', room, 'viewer');
  assert.equal(viewer.status, 201);

  const first = await enter(world, 'whip', room, 'first');
  assert.equal(first.status, 201);
  assert.match(first.location, /^\/whip\/room%20\d+\/WS_/);
  await moving(viewer.page, 'the first publisher');

  await first.page.evaluate(() => window.session.end());
  await stopped(viewer.page);
  const second = await enter(world, 'whip', room, 'second');
  await moving(viewer.page, 'the second publisher');

  let before = second;
  for (const codec of ['H264', 'AV1']) {
    const next = await enter(world, 'whip', room, `in ${codec}`, codec);
    assert.equal(next.status, 201);
    await before.page.evaluate(() => window.session.end());
    await until(`${codec} after another codec, on the same m-line`, async () => {
      return (await sight(viewer.page)).codec === `video/${codec}`;
    });
    await moving(viewer.page, `the publisher in ${codec}`);
    before = next;
  }
});

test('a LiveKit client sees a WHIP publisher come and go, with its tracks', async (world) => {
  const room = newRoom();
  const bob = await join(site, world, room, 'bob');
  const obs = await enter(world, 'whip', room, 'obs');
  await until('decoded frames of the WHIP publisher', () =>
    bob.evaluate(async () => (await window.watched('obs')).frames > 10),
  );
  await obs.page.evaluate(() => window.session.peer.close());
  await until('obs to be gone', () => bob.evaluate(() => window.seen.left.includes('obs')));
});

test('WHIP in three layers: a LiveKit client gets the one it asks for', async (world) => {
  const room = newRoom();
  const bob = await join(site, world, room, 'bob');
  const obs = await enter(world, 'whip', room, 'obs', 'VP8', true);
  assert.equal(obs.status, 201);
  await until('obs and its camera', () =>
    bob.evaluate(() => window.room.getParticipantByIdentity('obs')?.videoTrackPublications.size),
  );
  await layers(bob, 'obs');
});

test('ICE restarts by PATCH, and media goes on', async (world) => {
  const room = newRoom();
  const viewer = await enter(world, 'whep', room, 'viewer');
  const obs = await enter(world, 'whip', room, 'obs');
  await moving(viewer.page, 'the publisher');
  const restart = await obs.page.evaluate(() => window.session.restart());
  assert.equal(restart.status, 200);
  assert.ok(restart.etag && restart.etag !== obs.etag);
  await until('the new ICE credentials in use', () =>
    obs.page.evaluate(() => window.session.peer.iceConnectionState === 'connected'),
  );
  await moving(viewer.page, 'the publisher after its restart');
});

test('pages of other origins may read why they were refused', async ({ server, browser }) => {
  const page = await bare(browser);
  const text = await page.evaluate(async (url) => {
    const headers = { 'Content-Type': 'application/sdp' };
    const answer = await fetch(url, { method: 'POST', headers, body: 'v=0' });

    return `${answer.status} ${await answer.text()}`;
  }, `${server.url}/whip/demo`);
  assert.match(text, /^401 no token/);
});

async function bare(browser) {
  const page = await openPage(browser);
  await page.addInitScript(hum);
  await page.goto(site.url);

  return page;
}

/** A page with a session: `kind` is `whip` or `whep`. */
async function enter(world, kind, room, identity, codec = 'VP8', simulcast = false) {
  const { server, browser } = world;
  const page = await bare(browser);
  await page.evaluate(defineSession);
  const url = `${server.url}/${kind}/${encodeURIComponent(room)}`;
  const told = await page.evaluate(
    (given) => window.open_session(given),
    { url, kind, codec, simulcast, token: signToken(identity, room) },
  );

  return { page, ...told };
}

/** Runs in the page: what a few lines of a web developer would be. */
function defineSession() {
  window.open_session = async ({ url, kind, token, codec, simulcast }) => {
    const peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    const stream = new MediaStream();
    if (kind === 'whip') {
      const video = simulcast ? { width: 960, height: 540 } : true;
      const media = await navigator.mediaDevices.getUserMedia({ audio: true, video });
      const three = [4, 2, 1].map((by, layer) => ({
        rid: 'qhf'[layer],
        scaleResolutionDownBy: by,
      }));
      for (const track of media.getTracks()) {
        const sendEncodings = simulcast && track.kind === 'video' ? three : undefined;
        const sender = peer.addTransceiver(track, { direction: 'sendonly', sendEncodings });
        if (track.kind !== 'video') continue;
        const all = RTCRtpSender.getCapabilities('video').codecs;
        const wanted = all.filter((c) => /rtx/.test(c.mimeType) || c.mimeType.endsWith(codec));
        sender.setCodecPreferences(wanted);
      }
    } else {
      peer.addTransceiver('audio', { direction: 'recvonly' });
      peer.addTransceiver('video', { direction: 'recvonly' });
      peer.ontrack = ({ track }) => stream.addTrack(track);
      const video = Object.assign(document.createElement('video'), { autoplay: true });
      video.srcObject = stream;
      document.body.append(video);
    }
    await peer.setLocalDescription();
    const Authorization = `Bearer ${token}`;
    const headers = { Authorization, 'Content-Type': 'application/sdp' };
    const body = peer.localDescription.sdp;
    const answer = await fetch(url, { method: 'POST', headers, body });
    if (answer.status !== 201) return { status: answer.status, text: await answer.text() };
    const sdp = await answer.text();
    await peer.setRemoteDescription({ type: 'answer', sdp });
    const location = answer.headers.get('Location');
    const resource = new URL(location, url);

    window.session = {
      peer,
      end: async () => {
        const ended = await fetch(resource, { method: 'DELETE', headers: { Authorization } });
        peer.close();

        return ended.status;
      },
      restart: async () => {
        await peer.setLocalDescription(await peer.createOffer({ iceRestart: true }));
        const line = (name, text) => text.match(new RegExp(`a=${name}:.*`))[0];
        const offer = peer.localDescription.sdp;
        const fragment = `${line('ice-ufrag', offer)}\r\n${line('ice-pwd', offer)}\r\n`;
        const type = 'application/trickle-ice-sdpfrag';
        const patched = await fetch(resource, {
          method: 'PATCH',
          headers: { Authorization, 'Content-Type': type, 'If-Match': '*' },
          body: fragment,
        });
        const theirs = await patched.text();
        const anew = ['ice-ufrag', 'ice-pwd'].reduce(
          (text, name) => text.replace(new RegExp(`a=${name}:.*`, 'g'), line(name, theirs).trim()),
          sdp,
        );
        await peer.setRemoteDescription({ type: 'answer', sdp: anew });

        return { status: patched.status, etag: patched.headers.get('ETag') };
      },
    };

    return { status: answer.status, location, etag: answer.headers.get('ETag') };
  };
}

/** What a player decodes at the moment. */
function sight(page) {
  return page.evaluate(async () => {
    const stats = [...(await window.session.peer.getStats()).values()];
    const inbound = (kind) => stats.find((r) => r.type === 'inbound-rtp' && r.kind === kind);
    const video = inbound('video');

    return {
      frames: video?.framesDecoded ?? 0,
      sound: inbound('audio')?.packetsReceived ?? 0,
      codec: stats.find((r) => r.id === video?.codecId)?.mimeType,
    };
  });
}

/** Waits for more pictures and more sound than there were. */
async function moving(page, whose) {
  const before = await sight(page);
  await until(`pictures and sound of ${whose}`, async () => {
    const now = await sight(page);

    return now.frames > before.frames + 20 && now.sound > before.sound + 20;
  });
}

async function stopped(page) {
  let last = -1;
  await until('pictures to stop', async () => {
    const { frames } = await sight(page);
    const same = frames === last;
    last = frames;

    return same;
  });
}
