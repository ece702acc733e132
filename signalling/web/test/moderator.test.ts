import { expect, test } from 'vitest';
import { moderates } from '../src/call/moderator';

function token(video: object): string {
  return `e30.${btoa(JSON.stringify({ sub: 'ann', video }))}.sig`;
}

test('a token moderates the room it names, and that one only', () => {
  expect(moderates(token({ room: 'demo', roomAdmin: true }), 'demo')).toBe(true);
  expect(moderates(token({ room: 'demo', roomAdmin: true }), 'other')).toBe(false);
  expect(moderates(token({ room: 'demo', roomAdmin: false }), 'demo')).toBe(false);
  expect(moderates(token({ room: 'demo' }), 'demo')).toBe(false);
  // The server compares with the room in the token: none is no room.
  expect(moderates(token({ roomAdmin: true }), 'demo')).toBe(false);
  // A string is no grant.
  expect(moderates(token({ room: 'demo', roomAdmin: 'true' }), 'demo')).toBe(false);
  expect(moderates('', 'demo')).toBe(false);
});
