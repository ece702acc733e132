// The statistics over the call: real numbers, by key and by button, and as text.

import assert from 'node:assert/strict';
import { join } from '../lib/person.js';
import { until } from '../lib/poll.js';
import { newRoom, test } from '../lib/world.js';

const PICTURE = new RegExp(
  [
    /^\d+×\d+, \d+ fps/,
    /(VP8|VP9|AV1|H264)(, layer [\w ]+)?, [\d.]+ [kM]bit\/s/,
    /loss [\d.]+ %, jitter \d+ ms$/,
  ]
    .map((line) => line.source)
    .join('\n'),
);
const PATH = /^UDP, round trip \d+ ms, down [\d.]+ [kM]bit\/s, up [\d.]+ [kM]bit\/s$/;

test('the statistics show what is so, and copy it', async ({ server, browser }) => {
  const room = newRoom();
  const permissions = ['camera', 'microphone', 'clipboard-read', 'clipboard-write'];
  const ada = await join(browser, server.url, 'Ada', room, { permissions });
  const bob = await join(browser, server.url, 'Bob', room);
  await ada.sees('Bob');
  await bob.sees('Ada');
  await ada.watches('Bob');
  const overall = ada.page.getByRole('region', { name: 'Statistics' });
  const numbers = (name) => ada.tile(name).locator('.tile-numbers');
  assert.equal(await overall.count(), 0);

  await ada.page.keyboard.press('i');
  await matches(overall.locator('p'), PATH);
  await matches(numbers('Bob'), PICTURE);
  await until("Bob's numbers to be those of what comes in", async () => {
    const { width, height } = await ada.video('Bob');

    return (await numbers('Bob').innerText()).startsWith(`${width}×${height},`);
  });
  await until("Ada's own size to be shown", async () =>
    /^\d+×\d+, \d+ fps/.test(await numbers('Ada').innerText()),
  );

  await overall.getByRole('button', { name: 'Copy as text' }).click();
  await ada.page.getByText('The statistics are copied.').first().waitFor();
  const text = await ada.page.evaluate(() => navigator.clipboard.readText());
  const [head, line, ...tiles] = text.trimEnd().split('\n');
  assert.ok(head.startsWith(`Millrace, room ${room}, `), text);
  assert.match(line, PATH);
  assert.deepEqual(tiles.map((row) => row.split(':')[0]).sort(), ['Ada (you)', 'Bob']);

  await ada.page.getByRole('button', { name: 'Statistics', exact: true }).click();
  await overall.waitFor({ state: 'detached' });
  assert.equal(await ada.page.locator('.tile-numbers:visible').count(), 0);
});

function matches(locator, pattern) {
  return until(`${pattern} in the statistics`, async () => {
    const text = await locator.innerText();
    assert.match(text, pattern);

    return true;
  });
}
