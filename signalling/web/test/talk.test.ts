import { describe, expect, test } from 'vitest';
import { CallsError } from '../src/calls';
import { explainCall, sayEnd, sayLeft } from '../src/contacts/words';
import { guestIdentity } from '../src/contacts/account';
import { arrange } from '../src/talk/faces';
import { BAD_MS, Health, type Look, PAUSE_MS } from '../src/talk/health';
import type { Face } from '../src/talk/tile';

const GOOD: Look = {
  loss_percent: 1,
  roundTrip_ms: 40,
  down_bps: 900_000,
  up_estimate_bps: 900_000,
  picture: true,
};

/** Looks once a second for `seconds`; gives the seconds at which the server is to take over. */
function asks(seconds: number, look: (second: number) => Look): number[] {
  const health = new Health();
  const all = Array.from({ length: seconds }, (_, second) => second);

  return all.filter((second) => health.look(second * 1000, look(second)));
}

describe('a direct path', () => {
  test('that is good stays', () => {
    expect(asks(300, () => GOOD)).toEqual([]);
    const nothing = { loss_percent: null, roundTrip_ms: null, down_bps: null };
    expect(asks(300, () => ({ ...GOOD, ...nothing, up_estimate_bps: null }))).toEqual([]);
    expect(asks(300, () => ({ ...GOOD, up_estimate_bps: 20_000, picture: false }))).toEqual([]);
    // A still picture.
    expect(asks(300, () => ({ ...GOOD, down_bps: 20_000 }))).toEqual([]);
  });

  test('that is broken is for ICE to mend', () => {
    expect(asks(300, () => ({ ...GOOD, loss_percent: 90, down_bps: 0 }))).toEqual([]);
  });

  test('that is bad for five seconds is given to the server, once a minute at most', () => {
    const pause_s = PAUSE_MS / 1000;
    for (const bad of [{ loss_percent: 12 }, { roundTrip_ms: 900 }, { up_estimate_bps: 9_000 }]) {
      const first = BAD_MS / 1000;
      expect(asks(70, () => ({ ...GOOD, ...bad }))).toEqual([first, first + pause_s]);
    }
  });

  test('that has good moments in between stays', () => {
    expect(asks(300, (second) => (second % 5 ? { ...GOOD, loss_percent: 30 } : GOOD))).toEqual([]);
  });
});

describe('the stage', () => {
  const size = { width: 1000, height: 600 };
  const face = (identity: string, change: Partial<Face> = {}): Face => ({
    identity,
    name: identity,
    own: identity === 'me',
    screen: false,
    muted: false,
    rings: false,
    track: null,
    ...change,
  });
  const widths = (faces: Face[]) => arrange(faces, size).map(({ width }) => Math.round(width));

  test('of two has the other large and oneself small', () => {
    const [other, own] = widths([face('bob'), face('me')]);
    expect(other).toBeGreaterThan(3 * own!);
  });

  test('of three has all alike', () => {
    expect(new Set(widths([face('bob'), face('cleo'), face('me')])).size).toBe(1);
  });

  test('has a shared screen large, and rather another’s than one’s own', () => {
    const [bob, screen, me, mine] = widths([
      face('bob'),
      face('bob', { screen: true }),
      face('me'),
      face('me', { screen: true }),
    ]);
    for (const small of [bob, me, mine]) expect(screen).toBeGreaterThan(3 * small!);
  });
});

describe('words', () => {
  test('tell how a call ended, and nothing more than the server tells', () => {
    expect(sayEnd('declined', 'Bob')).toBe('Bob declined the call.');
    expect(sayEnd('unavailable', 'Bob')).toBe('Bob is not available.');
    expect(sayEnd('cancelled', 'Bob')).toBe('');
    expect(sayLeft('timeout')).toBe('did not answer');
    expect(sayLeft('hangup')).toBe('left');
    const refused = new CallsError('unavailable', 'unavailable');
    expect(explainCall(refused, 'Bob').title).toBe('Bob is not available.');
    expect(explainCall(new Error('boom'), 'Bob').action).toContain('boom');
  });

  test('a name is the same person whatever its case, and every script has one', () => {
    expect(guestIdentity('Ada Lovelace')).toBe('ada-lovelace');
    expect(guestIdentity('АННА')).toBe('анна');
  });
});
