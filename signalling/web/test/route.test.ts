import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Proposal, Via } from '../src/calls';
import type { Path, Remote, Sending, Watcher } from '../src/talk/path';
import { LINGER_MS, Route } from '../src/talk/route';

/** A path whose traffic the test decides about. */
class Wire implements Path {
  connected = false;
  closed = false;
  sent: Sending | null = null;
  readonly heard: object[] = [];
  private readonly remotes = new Map<string, Remote>();

  constructor(
    readonly via: Via,
    readonly watcher: Watcher,
  ) {}

  /** Somebody's sound or picture is on this path; `flows` when it brings packets. */
  carries(identity: string, kind: 'audio' | 'video', flows: boolean, on = true): void {
    const entry = { type: 'inbound-rtp', packetsReceived: +flows, framesDecoded: 5 * +flows };
    const receiver = { getStats: async () => new Map([['I', entry]]) } as never;
    const source = kind === 'audio' ? 'microphone' : 'camera';
    const incoming = { track: { kind } as MediaStreamTrack, receiver, on };
    this.remotes.set(identity, { ...this.remotes.get(identity), [source]: incoming });
  }

  people = () => this.remotes;
  send = async (sending: Sending) => void (this.sent = sending);
  reports = async () => [];
  receive = (signal: object) => void this.heard.push(signal);
  close = () => void (this.closed = true);
}

const NOTHING: Sending = { microphone: null, camera: null, screen: null, muted: false };

let wires: Wire[];
let told: string[];
let away: Set<string>;

function newRoute(): Route {
  return new Route({
    make: ({ via }, watcher) => {
      wires.push(new Wire(via, watcher));

      return wires.at(-1)!;
    },
    report: (epoch, state, reason) => told.push([epoch, state, reason].filter(Boolean).join(' ')),
    isIn: (identity) => !away.has(identity),
    shown: async (leg) => void (leg && told.push(`shown ${leg.epoch}`)),
    gone: () => told.push('gone'),
  });
}

function proposal(epoch: number, via: Via): Proposal {
  return { call: 'CA_1', epoch, state: 'proposed', reason: 'test', via } as Proposal;
}

/** A route whose first path stands, with bob's sound and picture on it. */
async function standing(): Promise<Route> {
  const route = newRoute();
  route.propose(proposal(1, 'direct'));
  wires[0]!.connected = true;
  for (const kind of ['audio', 'video'] as const) wires[0]!.carries('bob', kind, true);
  await vi.advanceTimersByTimeAsync(100);
  await route.judge({ call: 'CA_1', epoch: 1, state: 'switched' });
  expect(told.splice(0)).toEqual(['1 ready', 'shown 1']);

  return route;
}

beforeEach(() => {
  wires = [];
  told = [];
  away = new Set();
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('a proposed path', () => {
  test('is ready when all that is seen and heard now flows on it, and not before', async () => {
    const route = await standing();
    route.propose(proposal(2, 'server'));
    const next = wires[1]!;
    await vi.advanceTimersByTimeAsync(1_000);
    next.connected = true;
    await vi.advanceTimersByTimeAsync(1_000);
    next.carries('bob', 'audio', true);
    await vi.advanceTimersByTimeAsync(1_000);
    next.carries('bob', 'video', false);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(told).toEqual([]);

    next.carries('bob', 'video', true);
    await vi.advanceTimersByTimeAsync(100);
    expect(told).toEqual(['2 ready']);
    expect(route.leg?.epoch).toBe(1);
  });

  test('need not carry what is muted, nor whoever has left', async () => {
    const route = await standing();
    wires[0]!.carries('cleo', 'video', true);
    wires[0]!.carries('bob', 'audio', true, false);
    away.add('cleo');
    route.propose(proposal(2, 'server'));
    wires[1]!.connected = true;
    wires[1]!.carries('bob', 'video', true);
    wires[1]!.carries('bob', 'audio', false, false);
    await vi.advanceTimersByTimeAsync(100);
    expect(told).toEqual(['2 ready']);
  });

  test('takes over when the server says so; the old one stays a moment longer', async () => {
    const route = await standing();
    route.propose(proposal(2, 'server'));
    await route.judge({ call: 'CA_1', epoch: 2, state: 'switched' });
    expect(told).toEqual(['shown 2']);
    expect(route.leg?.epoch).toBe(2);
    expect(wires[0]!.closed).toBe(false);
    await vi.advanceTimersByTimeAsync(LINGER_MS);
    expect(wires.map((wire) => wire.closed)).toEqual([true, false]);
  });

  test('that is given up leaves the present one as it was', async () => {
    const route = await standing();
    route.propose(proposal(2, 'server'));
    await route.judge({ call: 'CA_1', epoch: 2, state: 'failed' });
    await vi.advanceTimersByTimeAsync(LINGER_MS);
    expect(wires.map((wire) => wire.closed)).toEqual([false, true]);
    expect(told).toEqual([]);
  });

  test('that fails here is told, and closed', async () => {
    const route = await standing();
    route.propose(proposal(2, 'server'));
    wires[1]!.watcher.failed('room');
    expect(told).toEqual(['2 failed room']);
    expect(wires.map((wire) => wire.closed)).toEqual([false, true]);
    expect(route.leg?.epoch).toBe(1);
  });

  test('gives way to a newer one, and comes but once', async () => {
    const route = await standing();
    route.propose(proposal(2, 'server'));
    route.propose(proposal(2, 'server'));
    route.propose(proposal(3, 'direct'));
    expect(wires.map((wire) => wire.closed)).toEqual([false, true, false]);
    await route.judge({ call: 'CA_1', epoch: 2, state: 'switched' });
    expect(route.leg?.epoch).toBe(1);
  });
});

describe('the present path', () => {
  test('that fails is told and stays, until there is a better one', async () => {
    await standing();
    wires[0]!.watcher.failed('ice');
    expect(told).toEqual(['1 failed ice']);
    expect(wires[0]!.closed).toBe(false);
  });

  test('gets what is sent, and so does the next', async () => {
    const route = await standing();
    await route.send(NOTHING);
    route.propose(proposal(2, 'server'));
    expect(wires.map((wire) => wire.sent)).toEqual([NOTHING, NOTHING]);
    const muted = { ...NOTHING, muted: true };
    await route.send(muted);
    expect(wires.map((wire) => wire.sent)).toEqual([muted, muted]);
  });

  test('hears what the other browser says of it; what is said of none goes nowhere', async () => {
    const route = await standing();
    route.propose(proposal(2, 'direct'));
    route.receive(1, { restart: true });
    route.receive(2, { offer: { sdp: 'v=0' } });
    route.receive(3, { restart: true });
    expect(wires.map((wire) => wire.heard)).toEqual([
      [{ restart: true }],
      [{ offer: { sdp: 'v=0' } }],
    ]);
  });

  test('ends with the route, and with it what was being made', async () => {
    const route = await standing();
    route.propose(proposal(2, 'server'));
    route.close();
    expect(wires.map((wire) => wire.closed)).toEqual([true, true]);
    wires[1]!.connected = true;
    wires[1]!.carries('bob', 'audio', true);
    wires[1]!.carries('bob', 'video', true);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(told).toEqual([]);
  });
});
