// Joins that fail: the page says what to do.

import { openPage } from '../lib/browser.js';
import { join, Person } from '../lib/person.js';
import { startLine } from '../lib/proxy.js';
import { signToken } from '../lib/token.js';
import { newRoom, test } from '../lib/world.js';

const WRONG = { name: 'devkey', secret: 'another-secret-0123456789-0123456789' };
const STALE = { nbf: 1_600_000_000, exp: 1_600_000_600 };

const TOKENS = [
  ['signed with another secret', (room) => signToken('eve', room, {}, WRONG)],
  ['of an unknown key', (room) => signToken('eve', room, {}, { ...WRONG, name: 'nobody' })],
  ['that has expired', (room) => signToken('eve', room, STALE)],
  ['that is garbage', () => 'no.token.atall'],
];

for (const [what, make] of TOKENS) {
  test(`a token ${what} is refused with a word on the page`, async ({ server, browser }) => {
    const page = await openPage(browser);
    await tryToken(page, server.url, make(newRoom()));
    await page.getByText('The invitation is not valid.').waitFor();
    await page.getByText('ask for a new link').waitFor();
  });
}

test('a good token in the link lets its holder in', async ({ server, browser }) => {
  const room = newRoom();
  const ada = await join(browser, server.url, 'Ada', room);
  const page = await openPage(browser);
  await tryToken(page, server.url, signToken('bob', room, { name: 'Bob' }));

  await ada.sees('Bob');
  await ada.watches('Bob');
});

test('the same identity twice: the first is told, the second stays', async (world) => {
  const { server, browser } = world;
  const room = newRoom();
  const [first, second] = [await openPage(browser), await openPage(browser)];
  await tryToken(first, server.url, signToken('bob', room));
  await first.locator('main.call').waitFor();
  await tryToken(second, server.url, signToken('bob', room));

  await first.getByRole('heading', { name: 'You joined from somewhere else.' }).waitFor();
  await second.locator('main.call').waitFor();
});

test('a server that is away is named as such', async ({ server, browser }) => {
  const line = await startLine(server.port);
  try {
    const page = await openPage(browser);
    await page.goto(`${line.url}/?room=${encodeURIComponent(newRoom())}`);
    await page.getByLabel('Your name').waitFor();
    line.cut();
    await new Person(page, 'Ada').enter();
    await page.getByText('The server does not answer.').waitFor();

    line.mend();
    await page.getByRole('button', { name: 'Join the call' }).click();
    await page.locator('main.call').waitFor();
  } finally {
    line.close();
  }
});

test('a full room is named as such', async ({ server, browser }) => {
  const page = await openPage(browser);
  // The limits are too high to reach here: the server's refusal is played.
  await page.addInitScript(() => {
    window.WebSocket = class extends WebSocket {
      constructor() {
        super('ws://127.0.0.1:1/');
      }
    };
  });
  await page.route('**/rtc/validate*', (route) =>
    route.fulfill({ status: 503, contentType: 'text/plain', body: 'the room is full' }),
  );
  await page.goto(`${server.url}/?room=${encodeURIComponent(newRoom())}`);
  await new Person(page, 'Ada').enter();

  await page.getByText('The room or the server is full.').waitFor();
  await page.getByText('The server says: "the room is full".').waitFor();
});

test('without a camera and a microphone one can still join and watch', async (world) => {
  const { server, browser } = world;
  const room = newRoom();
  const ada = await join(browser, server.url, 'Ada', room);
  const page = await openPage(browser);
  await page.addInitScript(() => {
    navigator.mediaDevices.getUserMedia = () =>
      Promise.reject(new DOMException('denied', 'NotAllowedError'));
  });
  await page.goto(`${server.url}/?room=${encodeURIComponent(room)}`);
  await page.getByText('The camera is not available.').waitFor();
  await page.getByText('The microphone is not available.').waitFor();
  await page.getByLabel('Your name').fill('Bob');
  await page.getByRole('button', { name: 'Join the call' }).click();

  await ada.sees('Bob');
  await new Person(page, 'Bob').watches('Ada');
});

async function tryToken(page, url, token) {
  await page.goto(`${url}/?token=${token}`);
  await page.getByRole('button', { name: 'Turn camera off' }).waitFor();
  const name = page.getByLabel('Your name');
  if (await name.isEditable()) await name.fill('Eve');
  const room = page.getByLabel('Room', { exact: true });
  if (!(await room.inputValue())) await room.fill('anywhere');
  await page.getByRole('button', { name: 'Join the call' }).click();
}
