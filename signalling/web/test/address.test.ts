import { describe, expect, test } from 'vitest';
import * as address from '../src/address';

function token(claims: object): string {
  const bytes = new TextEncoder().encode(JSON.stringify(claims));
  const payload = btoa(String.fromCharCode(...bytes))
    .replace(/\+/g, '-')
    .replace(/\//g, '_');

  return `e30.${payload.replace(/=+$/, '')}.sig`;
}

describe('an invitation', () => {
  test('names the room', () => {
    const invitation = { room: 'stand-up', token: null, calls: false };
    expect(address.readInvitation('?room=stand-up')).toEqual(invitation);
  });

  test('leads to the contacts when it says so', () => {
    expect(address.readInvitation('').calls).toBe(false);
    expect(address.readInvitation('?calls=Zo%C3%AB').calls).toBe(true);
  });

  test('with a token has the token’s room, whatever else the link says', () => {
    const held = token({ sub: 'zoë-1', name: 'Zoë', video: { room: 'demo' } });

    expect(address.readInvitation(`?room=other&token=${held}`).room).toBe('demo');
    expect(address.readToken(held)).toEqual({
      identity: 'zoë-1',
      name: 'Zoë',
      room: 'demo',
      moderates: false,
    });
  });

  test('with garbage for a token still shows the lobby', () => {
    expect(address.readInvitation('?room=x&token=%%%').room).toBe('x');
    expect(address.readToken('a.b.c')).toBeNull();
  });
});

describe('an address', () => {
  test('of the server follows the page’s own', () => {
    expect(address.serverUrl(new URL('http://127.0.0.1:7880/?room=a'))).toBe('ws://127.0.0.1:7880');
    expect(address.serverUrl(new URL('https://calls.example/'))).toBe('wss://calls.example');
  });

  test('to hand on has the room and never a token', () => {
    const page = new URL('https://calls.example/?token=secret');

    expect(address.invitationLink(page, 'a b')).toBe('https://calls.example/?room=a+b');
  });

  test('with HTTPS keeps the room', () => {
    expect(address.secureLink(new URL('http://10.0.0.7:7880/?room=a'))).toBe(
      'https://10.0.0.7:7443/?room=a',
    );
  });
});

test('a name is trimmed, and cut by characters rather than bytes', () => {
  expect(address.cleanName('  Ada \n Lovelace ')).toBe('Ada Lovelace');
  expect([...address.cleanName('😀'.repeat(90))]).toHaveLength(address.NAME_MAX);
});
