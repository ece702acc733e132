import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  ACK_EVENTS,
  ACK_MS,
  backoff,
  BACKOFF_FIRST_MS,
  BACKOFF_MAX_MS,
  Calls,
  PATIENCE_MS,
  PING_MS,
  type Socket,
  UNANSWERED_MAX,
  UNDER_WAY_MAX,
} from '../src/calls';

type Frame = Record<string, unknown>;

/** The server's end of a connection, played by the test. */
class Line implements Socket {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  readonly sent: Frame[] = [];
  closed = false;

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(): void {
    this.closed = true;
  }

  says(frame: Frame): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }

  breaks(): void {
    this.onclose?.();
  }

  welcomes(resumed = false): void {
    this.onopen?.();
    this.says({ type: 'welcome', version: 1, session: 'CS_1', resumed, calls: [] });
  }

  /** The frames but for hello and ack, as `type id`. */
  get frames(): string[] {
    const numbered = this.sent.filter((frame) => 'id' in frame);

    return numbered.map(({ type, id }) => `${type} ${id}`);
  }
}

let lines: Line[];
const line = () => lines[lines.length - 1]!;

function client(): Calls {
  const open = () => {
    lines.push(new Line());

    return line();
  };

  return new Calls({ url: 'ws://server/calls', token: () => 'T', device: 'tab', open });
}

async function connected(): Promise<Calls> {
  const calls = client();
  calls.connect();
  await vi.advanceTimersByTimeAsync(0);
  line().welcomes();

  return calls;
}

/** The line breaks, and the next attempt is made. */
async function comesBack(): Promise<void> {
  line().breaks();
  await vi.advanceTimersByTimeAsync(BACKOFF_MAX_MS);
}

beforeEach(() => {
  lines = [];
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('a connection', () => {
  test('begins with hello, and events come in their order', async () => {
    const calls = client();
    const told: unknown[] = [];
    calls.on('ringing', (event) => told.push(event));
    calls.connect();
    await vi.advanceTimersByTimeAsync(0);
    line().welcomes();
    expect(line().sent[0]).toEqual({ type: 'hello', version: 1, token: 'T', device: 'tab' });

    line().says({ type: 'ringing', seq: 1, call: 'CA_1', identity: 'bob' });
    expect(told).toEqual([{ call: 'CA_1', identity: 'bob' }]);
  });

  test('answers frames by their ids, and errors say the field', async () => {
    const calls = await connected();
    const [first, second] = [
      calls.send('call', { to: 'bob', video: true }),
      calls.send('call', { to: '', video: true }),
    ];
    expect(line().frames).toEqual(['call 1', 'call 2']);
    line().says({ type: 'error', re: 2, code: 'bad_message', field: '/to', message: 'is empty' });
    line().says({ type: 'ok', re: 1, call: 'CA_1' });

    expect(await first).toEqual({ call: 'CA_1' });
    await expect(second).rejects.toMatchObject({ code: 'bad_message', field: '/to' });
    // An answer that comes again, or to nothing, does no harm.
    line().says({ type: 'ok', re: 1, call: 'CA_9' });
    line().says({ type: 'ok', re: 99 });
  });

  test('acknowledges after so many events, or after a second', async () => {
    await connected();
    for (let seq = 1; seq < ACK_EVENTS; seq += 1) line().says({ type: 'ringing', seq });
    const acks = () => line().sent.filter(({ type }) => type === 'ack');
    expect(acks()).toEqual([]);
    line().says({ type: 'ringing', seq: ACK_EVENTS });
    expect(acks()).toEqual([{ type: 'ack', seq: ACK_EVENTS }]);

    line().says({ type: 'ringing', seq: ACK_EVENTS + 1 });
    await vi.advanceTimersByTimeAsync(ACK_MS);
    expect(acks()).toHaveLength(2);
  });

  test('is asked for a sign of life, and dropped when none comes', async () => {
    await connected();
    await vi.advanceTimersByTimeAsync(PING_MS);
    expect(line().frames).toEqual(['ping 1']);
    line().says({ type: 'ok', re: 1 });
    await vi.advanceTimersByTimeAsync(PING_MS);
    expect(lines).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(PATIENCE_MS);
    expect(lines[0]!.closed).toBe(true);
  });

  test('that never opens is given up, and tried again', async () => {
    client().connect();
    await vi.advanceTimersByTimeAsync(PATIENCE_MS + BACKOFF_FIRST_MS);
    expect(lines).toHaveLength(2);
    expect(lines[0]!.closed).toBe(true);
  });

  test('that brings no JSON is begun anew', async () => {
    await connected();
    line().onmessage?.({ data: '<html>' });
    expect(lines[0]!.closed).toBe(true);
  });
});

describe('after a broken line', () => {
  test('the session resumes: what has no answer goes out again under its id', async () => {
    const calls = await connected();
    line().says({ type: 'ringing', seq: 1 });
    const ring = calls.send('ringing', { call: 'CA_1' });
    const accept = calls.send('accept', { call: 'CA_1' });
    line().says({ type: 'ok', re: 1 });
    await comesBack();
    const hangup = calls.send('hangup', { call: 'CA_1' });
    expect(line().sent).toEqual([]);
    line().welcomes(true);

    expect(line().sent[0]).toMatchObject({ resume: { session: 'CS_1', received: 1 } });
    expect(line().frames).toEqual(['accept 2', 'hangup 3']);
    line().says({ type: 'ok', re: 2 });
    line().says({ type: 'ok', re: 3 });
    await Promise.all([ring, accept, hangup]);
  });

  test('an event that came before is not told twice, and a missing one is asked for', async () => {
    const calls = await connected();
    const told: string[] = [];
    calls.on('ringing', ({ identity }) => told.push(identity));
    line().says({ type: 'ringing', seq: 1, identity: 'a' });
    await comesBack();
    line().welcomes(true);
    line().says({ type: 'ringing', seq: 1, identity: 'a' });
    line().says({ type: 'ringing', seq: 2, identity: 'b' });
    line().says({ type: 'ringing', seq: 4, identity: 'd' });
    await vi.advanceTimersByTimeAsync(BACKOFF_MAX_MS);
    line().onopen?.();

    expect(told).toEqual(['a', 'b']);
    expect(line().sent[0]).toMatchObject({ resume: { received: 2 } });
  });

  test('a new session: what was sent has failed, what was not goes out from 1', async () => {
    const calls = await connected();
    calls.on('line', (state) => state === 'connected' && void calls.send('ping', {}));
    const lost = calls.send('accept', { call: 'CA_1' });
    const settled = expect(lost).rejects.toMatchObject({ code: 'lost' });
    await comesBack();
    void calls.send('watch', { identities: null });
    line().welcomes(false);

    await settled;
    expect(line().frames).toEqual(['watch 1', 'ping 2']);
    line().says({ type: 'ringing', seq: 1 });
    await vi.advanceTimersByTimeAsync(ACK_MS);
    expect(line().sent.at(-1)).toEqual({ type: 'ack', seq: 1 });
  });

  test('only so many frames wait, and the next fails at once', async () => {
    const calls = await connected();
    line().breaks();
    for (let i = 0; i < UNANSWERED_MAX; i += 1) void calls.send('ping', {});
    await expect(calls.send('ping', {})).rejects.toMatchObject({ code: 'offline' });
    await vi.advanceTimersByTimeAsync(BACKOFF_MAX_MS);
    line().welcomes(true);
    expect(line().frames).toHaveLength(UNDER_WAY_MAX);
    for (let re = 1; re <= UNANSWERED_MAX; re += 1) line().says({ type: 'ok', re });
    expect(line().frames).toHaveLength(UNANSWERED_MAX);
    expect(line().frames.at(-1)).toBe(`ping ${UNANSWERED_MAX}`);
  });

  test('attempts come ever later, up to a limit, and at once when asked to hurry', async () => {
    expect([0, 1, 2, 9].map((n) => backoff(n, 0.99999).toFixed(0))).toEqual(
      [1, 2, 4].map((n) => String(BACKOFF_FIRST_MS * n)).concat(String(BACKOFF_MAX_MS)),
    );
    expect(backoff(0, 0)).toBe(BACKOFF_FIRST_MS / 2);

    const calls = await connected();
    line().breaks();
    calls.hurry();
    await vi.advanceTimersByTimeAsync(0);
    expect(lines).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(BACKOFF_MAX_MS);
    expect(lines).toHaveLength(2);
  });

  test('a token that cannot be had is asked for again', async () => {
    const token = vi.fn().mockRejectedValueOnce(new Error('away')).mockResolvedValue('T');
    const open = () => {
      lines.push(new Line());

      return line();
    };
    new Calls({ url: 'ws://server/calls', token, device: 'tab', open }).connect();
    await vi.advanceTimersByTimeAsync(0);
    expect(lines).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(BACKOFF_FIRST_MS);
    expect(lines).toHaveLength(1);
  });
});

describe('the end', () => {
  test('the server’s last word is believed', async () => {
    const calls = await connected();
    const told: string[] = [];
    calls.on('line', (state) => told.push(state));
    calls.on('bye', ({ reason }) => told.push(reason));
    const waits = calls.send('ping', {});
    const failed = expect(waits).rejects.toMatchObject({ code: 'offline' });
    line().says({ type: 'bye', reason: 'replaced', message: '', reconnect: false });

    await failed;
    expect(told).toEqual(['replaced', 'closed']);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(lines).toHaveLength(1);
  });

  test('a server that restarts is come back to', async () => {
    await connected();
    line().says({ type: 'bye', reason: 'shutdown', message: '', reconnect: true });
    await vi.advanceTimersByTimeAsync(BACKOFF_FIRST_MS);
    expect(lines).toHaveLength(2);
  });

  test('a closed client stays closed, and can connect anew', async () => {
    const calls = await connected();
    calls.close();
    expect(calls.line).toBe('closed');
    line().breaks();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(lines).toHaveLength(1);

    calls.connect();
    await vi.advanceTimersByTimeAsync(0);
    line().onopen?.();
    expect(line().sent[0]).not.toHaveProperty('resume');
  });
});
