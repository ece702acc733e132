// The page without a mouse, in a narrow window, and for a screen reader.

import assert from 'node:assert/strict';
import { join, Person } from '../lib/person.js';
import { openPage } from '../lib/browser.js';
import { until } from '../lib/poll.js';
import { newRoom, test } from '../lib/world.js';

test('a call works by keys alone', async ({ server, browser }) => {
  const room = newRoom();
  const ada = await join(browser, server.url, 'Ada', room);
  const page = await openPage(browser);
  await page.goto(`${server.url}/?room=${encodeURIComponent(room)}`);
  await page.getByRole('button', { name: 'Turn camera off' }).waitFor();
  await page.getByLabel('Your name').focus();
  await page.keyboard.type('Bob');
  await page.keyboard.press('Enter');
  await page.locator('main.call').waitFor();
  await ada.sees('Bob');

  await page.keyboard.press('m');
  await ada.page.locator('.tile[data-name="Bob"][data-muted]').waitFor();
  await page.keyboard.press('c');
  await page.keyboard.type('my cat knows me');
  await page.keyboard.press('Enter');
  await ada.reads('Bob', 'my cat knows me');
  // Letters typed into the message were no shortcuts.
  assert.equal(await page.locator('.tile[data-name="Bob"][data-muted]').count(), 1);
});

test('screen readers are told who joins, mutes, writes and leaves', async ({ server, browser }) => {
  const room = newRoom();
  const ada = await join(browser, server.url, 'Ada', room);
  await ada.page.evaluate(() => {
    window.said = [];
    const live = document.querySelector('[aria-live="polite"][role="status"]');
    new MutationObserver((changes) => {
      for (const { addedNodes } of changes) {
        for (const node of addedNodes) window.said.push(node.textContent);
      }
    }).observe(live, { childList: true });
  });
  const said = (words) =>
    until(`"${words}" to be said`, () =>
      ada.page.evaluate((text) => window.said.includes(text), words),
    );

  const bob = await join(browser, server.url, 'Bob', room);
  await said('Bob joined.');
  await bob.press('Mute microphone');
  await said('Bob is muted.');
  await bob.writes('hello');
  await said('Bob: hello');
  await bob.press('Leave the call');
  await said('Bob left.');
});

test('every control has a name, and nothing overflows a phone', async ({ server, browser }) => {
  const room = newRoom();
  const size = { width: 360, height: 740 };
  const page = await openPage(browser, { size });
  await page.goto(`${server.url}/?room=${encodeURIComponent(room)}`);
  const person = new Person(page, 'Ada');
  await fits(page);
  await person.enter();
  await page.locator('main.call').waitFor();
  await fits(page);

  const nameless = await page.locator('button, input, select, textarea').evaluateAll((all) =>
    all
      .filter((e) => e.checkVisibility())
      .filter((e) => !e.getAttribute('aria-label') && !e.textContent.trim() && !e.labels?.length)
      .map((e) => e.outerHTML),
  );
  assert.deepEqual(nameless, []);
});

async function fits(page) {
  const wide = await page.evaluate(() => {
    const edge = document.documentElement.clientWidth;
    const all = [...document.querySelectorAll('body *')].filter((e) => e.checkVisibility());

    return all
      .filter((e) => e.getBoundingClientRect().right > edge + 1 && !e.closest('.sr-only'))
      .map((e) => `${e.tagName}.${e.className}`);
  });
  assert.deepEqual(wide, []);
}
