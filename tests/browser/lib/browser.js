// One Chromium for all tests; each person is a context of its own.

import { chromium } from 'playwright-core';

const FLAGS = [
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
  '--auto-accept-this-tab-capture',
  '--autoplay-policy=no-user-gesture-required',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
  '--disable-quic',
  // TURN over TLS shows a certificate that nobody signed.
  '--ignore-certificate-errors',
];

/** Starts Chromium without a window; as root it cannot use its sandbox. */
export function launch() {
  const root = process.getuid?.() === 0;

  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: root ? [...FLAGS, '--no-sandbox'] : FLAGS,
  });
}

/** Opens a page of its own context, in which the tests can read WebRTC's statistics. */
export async function openPage(browser, { size = { width: 1000, height: 640 }, ...options } = {}) {
  const context = await browser.newContext({ viewport: size, ...options });
  const page = await context.newPage();
  page.notes = [];
  page.on('console', (message) => {
    if (message.type() !== 'debug') page.notes.push(`${message.type()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => page.notes.push(`error: ${error.message}`));
  await page.addInitScript(watchPeers);

  return page;
}

/** Runs in the page: keeps each peer connection, and reads what comes and goes over all of them. */
export function watchPeers() {
  const Original = window.RTCPeerConnection;
  const peers = (window.peers = []);
  window.RTCPeerConnection = class extends Original {
    constructor(...args) {
      super(...args);
      peers.push(this);
    }
  };
  window.reports = async (type) => {
    const found = [];
    for (const peer of peers) {
      if (peer.connectionState === 'closed') continue;
      const stats = await peer.getStats();
      for (const report of stats.values()) {
        if (report.type !== type) continue;
        found.push({ ...report, mimeType: stats.get(report.codecId)?.mimeType });
      }
    }

    return found;
  };
  window.inbound = () => window.reports('inbound-rtp');
  window.outbound = () => window.reports('outbound-rtp');
}
