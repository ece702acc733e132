// Media that may go only by way of TURN: into a room, and between two pages.

import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { openPage } from '../lib/browser.js';
import { hum } from '../lib/hum.js';
import { until } from '../lib/poll.js';
import { startSite } from '../lib/site.js';
import { signToken } from '../lib/token.js';
import { newRoom, test } from '../lib/world.js';

const WAYS = {
  udp: (url) => url.startsWith('turn:') && url.endsWith('transport=udp'),
  tcp: (url) => url.startsWith('turn:') && url.endsWith('transport=tcp'),
  tls: (url) => url.startsWith('turns:'),
};

let site;
before(async () => {
  site = await startSite();
});
after(() => site.close());

test('a room is reached directly over UDP when nothing is in the way', async (world) => {
  const room = newRoom();
  const ada = await enter(world.server, world.browser, room, 'ada');
  const bob = await enter(world.server, world.browser, room, 'bob');
  await sees(ada, bob);
  for (const page of [ada, bob]) assert.match((await ways(page)).join(), /^(host|prflx) udp$/);
});

for (const way of Object.keys(WAYS)) {
  test(`a room is reached through TURN over ${way}`, async ({ server, browser }) => {
    const room = newRoom();
    const own = { urls: server.turn.udp, username: 'bench', credential: 'secret' };
    const script = [relayOnly, { wanted: WAYS[way].toString(), own: way === 'udp' && own }];
    const ada = await enter(server, browser, room, 'ada', script);
    const bob = await enter(server, browser, room, 'bob', script);
    await sees(ada, bob);
    for (const page of [ada, bob]) assert.deepEqual(await ways(page), [`relay ${way}`]);
  });

  test(`two pages reach each other through TURN over ${way}`, async ({ server, browser }) => {
    const [ada, bob] = [await openPage(browser), await openPage(browser)];
    for (const page of [ada, bob]) await page.goto(site.url);
    const config = {
      iceTransportPolicy: 'relay',
      iceServers: [{ urls: server.turn[way], username: 'bench', credential: 'secret' }],
    };
    const offer = await ada.evaluate(offerData, config);
    const answer = await bob.evaluate(answerData, [config, offer]);
    const accept = (sdp) => window.peers[0].setRemoteDescription({ type: 'answer', sdp });
    await ada.evaluate(accept, answer);
    await until('bob to get what ada sent', () => bob.evaluate(() => window.got === 'hello bob'));
    await until('ada to get the echo', () => ada.evaluate(() => window.got === 'HELLO BOB'));
    for (const page of [ada, bob]) assert.deepEqual(await ways(page), [`relay ${way}`]);
  });
}

test('a room is reached over TCP when there is no UDP', async ({ server, browser }) => {
  const room = newRoom();
  const ada = await enter(server, browser, room, 'ada', [tcpOnly]);
  const bob = await enter(server, browser, room, 'bob', [tcpOnly]);
  await sees(ada, bob);
  // The browser's own address is one that it learns from the server.
  for (const page of [ada, bob]) assert.match((await ways(page)).join(), /^(host|prflx) tcp$/);
});

/** One shows the camera, and the other decodes it. */
async function sees(ada, bob) {
  await ada.evaluate(() => window.publishCamera('vp8', 320, 180));
  await until('bob to decode frames of ada', () =>
    bob.evaluate(async () =>
      (await window.inbound()).some((r) => r.kind === 'video' && r.framesDecoded > 15),
    ),
  );
}

async function enter(server, browser, room, identity, script) {
  const page = await openPage(browser);
  await page.addInitScript(hum);
  if (script) await page.addInitScript(...script);
  await page.goto(site.url);
  const url = `ws://127.0.0.1:${server.port}`;
  await page.evaluate(([to, token]) => window.start(to, token), [url, signToken(identity, room)]);

  return page;
}

/**
 * Runs in the page: peer connections take relayed candidates only, of one kind of server. TURN over
 * UDP is the page's `own`, since rooms name none: they are reached over UDP as they are.
 */
function relayOnly({ wanted, own }) {
  const Original = window.RTCPeerConnection;
  const isWanted = new Function(`return ${wanted}`)();
  const restrict = (config) => {
    if (!config?.iceServers) return config;
    const iceServers = [...config.iceServers, ...(own ? [own] : [])]
      .map((entry) => ({ ...entry, urls: [entry.urls].flat().filter(isWanted) }))
      .filter((entry) => entry.urls.length > 0);

    return { ...config, iceServers, iceTransportPolicy: 'relay' };
  };
  window.RTCPeerConnection = class extends Original {
    constructor(config, ...rest) {
      super(restrict(config), ...rest);
    }

    setConfiguration(config) {
      super.setConfiguration(restrict(config));
    }
  };
}

/** Runs in the page: of the server's candidates only those of TCP are seen. */
function tcpOnly() {
  const Original = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Original {
    setRemoteDescription({ type, sdp }) {
      const lines = sdp.split('\r\n').filter((line) => !/^a=candidate:\S+ 1 udp /i.test(line));

      return super.setRemoteDescription({ type, sdp: lines.join('\r\n') });
    }
  };
}

/** How the page's connected peer connections reach the others, each kind once. */
function ways(page) {
  return page.evaluate(async () => {
    const found = new Set();
    for (const peer of window.peers) {
      if (peer.connectionState !== 'connected') continue;
      const stats = await peer.getStats();
      for (const transport of stats.values()) {
        if (transport.type !== 'transport') continue;
        const pair = stats.get(transport.selectedCandidatePairId);
        const local = stats.get(pair?.localCandidateId);
        found.add(`${local?.candidateType} ${local?.relayProtocol ?? local?.protocol}`);
      }
    }

    return [...found];
  });
}

/** Runs in the page: a peer connection with a data channel; its offer, with all candidates. */
async function offerData(config) {
  const peer = new RTCPeerConnection(config);
  const channel = peer.createDataChannel('talk');
  channel.onopen = () => channel.send('hello bob');
  channel.onmessage = ({ data }) => (window.got = data);
  await peer.setLocalDescription();
  await new Promise((done) => {
    peer.onicegatheringstatechange = () => peer.iceGatheringState === 'complete' && done();
  });

  return peer.localDescription.sdp;
}

/** Runs in the page: answers, and shouts back what comes. */
async function answerData([config, sdp]) {
  const peer = new RTCPeerConnection(config);
  peer.ondatachannel = ({ channel }) => {
    channel.onmessage = ({ data }) => {
      window.got = data;
      channel.send(data.toUpperCase());
    };
  };
  await peer.setRemoteDescription({ type: 'offer', sdp });
  await peer.setLocalDescription();
  await new Promise((done) => {
    peer.onicegatheringstatechange = () => peer.iceGatheringState === 'complete' && done();
  });

  return peer.localDescription.sdp;
}
