// Moderators mute and remove others in the page; guests cannot, neither there nor past it.

import assert from 'node:assert/strict';
import { join } from '../lib/person.js';
import { signToken } from '../lib/token.js';
import { newRoom, test } from '../lib/world.js';

test('a moderator mutes, and the muted is told by whom', async ({ server, browser }) => {
  const { ada, bob } = await moderated(server, browser);

  await act(ada, 'Bob', 'Mute microphone');
  await bob.page.getByText('A moderator muted your microphone.').first().waitFor();
  await ada.page.locator('.tile[data-name="Bob"][data-muted]').waitFor();
  await act(ada, 'Bob', 'Turn camera off');
  await bob.page.getByText('A moderator turned your camera off.').first().waitFor();
  await ada.page.locator('.tile[data-name="Bob"]:not([data-video])').waitFor();

  // What is off already cannot be turned on from outside, and keeps the focus.
  const off = row(ada, 'Bob').getByRole('button', { name: 'Camera is off' });
  assert.equal(await off.getAttribute('aria-disabled'), 'true');
  assert.ok(await off.evaluate((button) => button === document.activeElement));
  await bob.press('Unmute microphone');
  await bob.press('Turn camera on');
  await ada.page.locator('.tile[data-name="Bob"][data-video]:not([data-muted])').waitFor();
  await ada.watches('Bob');
});

test('a moderator stops a shared screen, which ends its capture', async ({ server, browser }) => {
  const { ada, bob } = await moderated(server, browser);
  await bob.press('Share screen');
  await ada.tile('Bob', 'screen_share').waitFor();

  await act(ada, 'Bob', 'Stop screen');
  await bob.page.getByText('A moderator stopped your screen.').first().waitFor();
  await ada.tile('Bob', 'screen_share').waitFor({ state: 'detached' });
  await bob.page.getByRole('toolbar').getByRole('button', { name: 'Share screen' }).waitFor();
  await ada.watches('Bob');
});

test('a moderator removes somebody, once that is confirmed', async ({ server, browser }) => {
  const { ada, bob } = await moderated(server, browser);
  const question = ada.page.getByRole('dialog', { name: 'Remove Bob from the call?' });

  await act(ada, 'Bob', 'Remove from the call…');
  await ada.page.keyboard.press('Escape');
  await question.waitFor({ state: 'detached' });
  await ada.watches('Bob');

  await act(ada, 'Bob', 'Remove from the call…');
  await question.getByRole('button', { name: 'Remove' }).click();
  await bob.page.getByRole('heading', { name: 'You were removed by a moderator.' }).waitFor();
  await ada.sees();
  await row(ada, 'Bob').waitFor({ state: 'detached' });
});

test('a guest sees no such buttons, and the server refuses the request', async (world) => {
  const { ada, bob, room, token } = await moderated(world.server, world.browser);
  await bob.press(/^People/);
  await row(bob, 'Ada').getByLabel('Microphone on').waitFor();
  await row(bob, 'Ada').getByLabel(/connection/i).waitFor();
  assert.equal(await bob.page.getByRole('button', { name: /^Moderate/ }).count(), 0);

  const identity = await ada.tile('Ada').getAttribute('data-identity');
  const mute = { room, identity, trackSid: 'TR_any', muted: true };
  for (const [method, body] of Object.entries({
    RemoveParticipant: { room, identity },
    MutePublishedTrack: mute,
  })) {
    const answer = await twirp(world.server, token, method, body);
    assert.equal(answer.status, 401, method);
    assert.equal((await answer.json()).code, 'unauthenticated');
  }
  await bob.watches('Ada');
});

test('a moderator is told in words what the server refuses', async ({ server, browser }) => {
  const { ada } = await moderated(server, browser);
  // A server that stops is played: to be so slow is beyond a real one.
  await ada.page.route('**/RemoveParticipant', (route) =>
    route.fulfill({ status: 503, json: { code: 'unavailable', msg: 'the server is stopping' } }),
  );

  await act(ada, 'Bob', 'Remove from the call…');
  await ada.page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await ada.page.getByText('Nothing was done to Bob.').first().waitFor();
  await ada.page.getByText('The server says: "the server is stopping".').first().waitFor();
});

test('a moderator uses the newest token', async ({ server, browser }) => {
  const { ada, room } = await moderated(server, browser);
  const admin = signToken('', room, { video: { room, roomAdmin: true } });
  const rename = async (identity, name) => {
    const answer = await twirp(server, admin, 'UpdateParticipant', { room, identity, name });
    assert.equal(answer.status, 200);
  };

  // Whoever is renamed gets a token that says so; what is said of Bob comes after it.
  await rename(await ada.tile('Ada').getAttribute('data-identity'), 'Ada L.');
  await rename('bob', 'Bob B.');
  await ada.tile('Bob B.').waitFor();
  const asked = ada.page.waitForRequest('**/MutePublishedTrack');
  await act(ada, 'Bob B.', 'Mute microphone');

  const [, claims] = (await (await asked).headerValue('authorization')).split('.');
  assert.equal(JSON.parse(Buffer.from(claims, 'base64url')).name, 'Ada L.');
  await ada.page.locator('.tile[data-name="Bob B."][data-muted]').waitFor();
});

/** Ada, who moderates as everybody on loopback does, and Bob, a guest by a token of his own. */
async function moderated(server, browser) {
  const room = newRoom();
  const token = signToken('bob', room, { name: 'Bob' });
  const ada = await join(browser, server.url, 'Ada', room);
  const bob = await join(browser, server.url, 'Bob', room, { token });
  await ada.watches('Bob');
  await ada.press(/^People/);

  return { ada, bob, room, token };
}

function row(person, name) {
  return person.page.locator('.people li').filter({ hasText: name });
}

/** Presses one of the buttons that a moderator has for somebody. */
async function act(moderator, name, action) {
  const more = row(moderator, name).getByRole('button', { name: `Moderate ${name}` });
  if ((await more.getAttribute('aria-expanded')) === 'false') await more.click();
  await row(moderator, name).getByRole('button', { name: action }).click();
}

function twirp(server, token, method, body) {
  return fetch(`${server.url}/twirp/livekit.RoomService/${method}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  });
}
