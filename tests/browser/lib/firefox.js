// Firefox by WebDriver BiDi: the other engine, with its own ICE, SDP and codecs.

import { existsSync } from 'node:fs';
import puppeteer from 'puppeteer-core';
import { watchPeers } from './browser.js';

const PREFERENCES = {
  'media.navigator.streams.fake': true,
  'media.navigator.permission.disabled': true,
  'media.autoplay.default': 0,
  'media.peerconnection.ice.obfuscate_host_addresses': false,
  // Nothing to look for on the network.
  'media.gmp-manager.updateEnabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
};

/** Starts Firefox without a window. */
export function launchFirefox() {
  const places = [process.env.FIREFOX, '/usr/bin/firefox-esr', '/usr/bin/firefox'];
  const executablePath = places.find((path) => path && existsSync(path));
  if (!executablePath) throw new Error('no Firefox: run .ci/install test');

  return puppeteer.launch({
    browser: 'firefox',
    executablePath,
    headless: true,
    extraPrefsFirefox: PREFERENCES,
  });
}

/** Opens a page in which the tests can read WebRTC's statistics. */
export async function openFirefox(firefox, url) {
  const page = await firefox.newPage();
  page.notes = [];
  page.on('console', (message) => page.notes.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => page.notes.push(`error: ${error.message}`));
  await page.evaluateOnNewDocument(watchPeers);
  await page.goto(url);

  return page;
}
