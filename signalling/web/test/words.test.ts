import { ConnectionError, DisconnectReason } from 'livekit-client';
import { describe, expect, test } from 'vitest';
import { AdmissionError, readReason, readTokenAnswer } from '../src/admission';
import {
  explainCapture,
  explainJoin,
  explainLeave,
  explainModeration,
  explainMuted,
} from '../src/advice';
import { parseOld, splitLinks } from '../src/call/chat';
import { slug } from '../src/store';

describe('advice', () => {
  test('differs for a refused token, a missing one, a full room and a silent server', () => {
    const titles = [401, 403, 503, 500, 0].map((status) => {
      return explainJoin(new AdmissionError(status, '')).title;
    });

    expect(new Set(titles).size).toBe(5);
  });

  test('repeats what the server said', () => {
    const error = ConnectionError.notAllowed('token has expired', 401);

    expect(explainJoin(error).action).toContain('token has expired');
  });

  test('never ends without telling what to do', () => {
    const all = [
      ...[undefined, ...Object.values(DisconnectReason)].map((reason) =>
        explainLeave(reason as DisconnectReason),
      ),
      explainJoin(new Error('odd')),
      explainJoin(ConnectionError.serverUnreachable('gone')),
      ...['NotAllowedError', 'NotFoundError', 'NotReadableError', 'Odd'].map((name) =>
        explainCapture(Object.assign(new Error('no'), { name }), 'camera'),
      ),
      ...[0, 401, 404, 412, 429, 503].map((status) =>
        explainModeration(new AdmissionError(status, ''), 'Bob'),
      ),
      explainModeration(new TypeError('odd'), 'Bob'),
      ...(['microphone', 'camera', 'screen'] as const).map(explainMuted),
    ];

    for (const { title, action } of all) expect(title && action).toBeTruthy();
  });
});

test('whoever is removed is told by whom', () => {
  expect(explainLeave(DisconnectReason.PARTICIPANT_REMOVED).title).toContain('by a moderator');
});

describe('an answer to the token request', () => {
  test('holds the token as JSON or bare', () => {
    expect(readTokenAnswer('{"token":"a.b.c"}')).toBe('a.b.c');
    expect(readTokenAnswer('a.b.c\n')).toBe('a.b.c');
    expect(readTokenAnswer('<html>')).toBeNull();
    expect(readTokenAnswer('{"token":1}')).toBeNull();
  });

  test('gives its reason as JSON or plain, and no HTML', () => {
    expect(readReason('{"error":"room is full"}')).toBe('room is full');
    expect(readReason('room is full')).toBe('room is full');
    expect(readReason('<html><body>502</body></html>')).toBe('');
  });
});

describe('a chat message', () => {
  test('has its links found, without the full stop behind them', () => {
    expect(splitLinks('see https://a.example/x?y=1. Now')).toEqual([
      { text: 'see ' },
      { text: 'https://a.example/x?y=1', href: 'https://a.example/x?y=1' },
      { text: '. Now' },
    ]);
    expect(splitLinks('javascript:alert(1)')).toEqual([{ text: 'javascript:alert(1)' }]);
  });

  test('of the old kind is read, garbage is not', () => {
    const bytes = (text: string) => new TextEncoder().encode(text);

    expect(parseOld(bytes('{"id":"1","timestamp":2,"message":"hi"}'))?.message).toBe('hi');
    expect(parseOld(bytes('{"id":"1"}'))).toBeNull();
    expect(parseOld(Uint8Array.of(0xff, 0xfe))).toBeNull();
  });
});

test('an identity keeps the readable part of a name', () => {
  expect(slug('Zoë van der Meer')).toBe('zoe-van-der-meer');
  expect(slug('李雷')).toBe('');
});
