import { describe, expect, test } from 'vitest';
import {
  bits,
  type Entry,
  incoming,
  outgoing,
  path,
  pathLine,
  pictureLines,
  together,
} from '../src/call/measure';

const NAMES = ['low', 'medium', 'high'];
const LAYERS = [180, 360, 720].map((height, i) => ({ name: NAMES[i]!, height }));
const CODEC = { id: 'C', type: 'codec', timestamp: 0, mimeType: 'video/VP8' };
const UNKNOWN = { roundTrip_ms: null, way: null, down_bps: null, up_bps: null };

/** What has come in on track `t` after some seconds. */
function inbound(seconds: number, members: Record<string, unknown> = {}): Entry[] {
  const stream = { trackIdentifier: 't', codecId: 'C', frameWidth: 640, frameHeight: 360 };
  const fixed = { id: 'I', type: 'inbound-rtp', timestamp: seconds * 1000 };

  return [{ ...fixed, ...stream, framesPerSecond: 30, jitter: 0.0042, ...members }, CODEC];
}

describe('what comes in', () => {
  test('is measured between two reports', () => {
    const before = inbound(1, { bytesReceived: 1_000, packetsReceived: 100, packetsLost: 5 });
    const now = inbound(3, { bytesReceived: 251_000, packetsReceived: 290, packetsLost: 15 });

    expect(incoming(now, before, 't', LAYERS)).toEqual({
      width: 640,
      height: 360,
      fps: 30,
      bitrate_bps: 1_000_000,
      codec: 'VP8',
      layer: 'medium',
      loss_percent: 5,
      jitter_ms: 4.2,
    });
  });

  test('has no rates the first time, nor when counters began anew', () => {
    const now = inbound(2, { bytesReceived: 10, packetsReceived: 1, packetsLost: 0 });
    const larger = inbound(1, { bytesReceived: 20, packetsReceived: 9, packetsLost: 0 });

    for (const before of [[], larger, now]) {
      const picture = incoming(now, before, 't', LAYERS);
      expect(picture?.bitrate_bps || null).toBeNull();
      expect(picture?.loss_percent).toBeNull();
    }
  });

  test('counts packets that came late after all as none lost', () => {
    const before = inbound(1, { packetsReceived: 10, packetsLost: 4 });
    const now = inbound(2, { packetsReceived: 20, packetsLost: 1 });

    expect(incoming(now, before, 't', LAYERS)?.loss_percent).toBe(0);
  });

  test('names the layer that is nearest, and none where there is but one', () => {
    const layer = (frameHeight: number, layers = LAYERS) =>
      incoming(inbound(1, { frameHeight }), [], 't', layers)?.layer;

    expect([180, 182, 360, 700].map((height) => layer(height))).toEqual([
      'low',
      'low',
      'medium',
      'high',
    ]);
    expect(layer(720, LAYERS.slice(2))).toBeNull();
    expect(layer(720, [])).toBeNull();
  });

  test('is nothing for a track that is not there', () => {
    expect(incoming(inbound(1), [], 'other', LAYERS)).toBeNull();
    expect(incoming([], [], 't', LAYERS)).toBeNull();
  });

  test('leaves out what a browser does not tell, or tells wrongly', () => {
    const odd = { framesPerSecond: NaN, jitter: 'x', frameWidth: undefined, codecId: 'gone' };
    const picture = incoming(inbound(1, odd), [], 't', LAYERS);

    expect(picture).toMatchObject({ fps: null, jitter_ms: null, width: null, codec: null });
    expect(pictureLines(picture!)).toEqual([
      'no picture, –',
      '–, layer medium, –',
      'loss –, jitter –',
    ]);
  });
});

describe('what goes out', () => {
  const source = { id: 'S', type: 'media-source', timestamp: 0, trackIdentifier: 't' };
  const layer = (rid: string, at: number, bytesSent: number, width: number, fps: number) => {
    const size = { frameWidth: width, frameHeight: (width * 9) / 16, framesPerSecond: fps };
    const names = { id: rid, rid, type: 'outbound-rtp', mediaSourceId: 'S', codecId: 'C' };

    return { ...names, ...size, timestamp: at, bytesSent };
  };

  test('is all layers together, with the size of the largest that is sent', () => {
    const loss = { id: 'R', type: 'remote-inbound-rtp', timestamp: 0, localId: 'h' };
    const before = [source, layer('q', 0, 0, 320, 20), layer('h', 0, 0, 640, 20)];
    const now = [
      source,
      CODEC,
      layer('f', 1000, 0, 1280, 0),
      layer('h', 1000, 50_000, 640, 24),
      layer('q', 1000, 12_500, 320, 25),
      { ...loss, fractionLost: 0.02, jitter: 0.003 },
    ];

    expect(outgoing(now, before, 't')).toEqual({
      width: 640,
      height: 360,
      fps: 24,
      bitrate_bps: 500_000,
      codec: 'VP8',
      layer: 'q h',
      loss_percent: 2,
      jitter_ms: 3,
    });
  });

  test('is nothing while the track is not sent', () => {
    expect(outgoing([source], [], 't')).toBeNull();
    expect(outgoing([layer('q', 0, 0, 320, 20)], [], 't')).toBeNull();
  });
});

describe('the path', () => {
  const transport = (seconds: number, bytesReceived: number, bytesSent: number): Entry => {
    const names = { id: 'T', type: 'transport', selectedCandidatePairId: 'P' };

    return { ...names, timestamp: seconds * 1000, bytesReceived, bytesSent };
  };
  const pair = { id: 'P', type: 'candidate-pair', timestamp: 0, localCandidateId: 'L' };
  const local = { id: 'L', type: 'local-candidate', timestamp: 0, protocol: 'udp' };
  const timed = { ...pair, currentRoundTripTime: 0.012 };

  test('is the selected pair’s', () => {
    const other = { ...pair, id: 'Q', currentRoundTripTime: 9, nominated: true };
    const now = [other, transport(2, 25_000, 50_000), timed, local];

    expect(path(now, [transport(1, 0, 0)])).toEqual({
      roundTrip_ms: 12,
      way: 'UDP',
      down_bps: 200_000,
      up_bps: 400_000,
    });
  });

  test('is found where the browser has no transports', () => {
    expect(path([{ ...timed, selected: true }, local], [])).toMatchObject({ way: 'UDP' });
    expect(path([], [])).toEqual(UNKNOWN);
  });

  test('tells TCP and a relay, and how the relay is reached', () => {
    const way = (members: Record<string, unknown>) =>
      path([transport(1, 0, 0), pair, { ...local, ...members }], []).way;

    expect(way({ protocol: 'tcp' })).toBe('TCP');
    expect(way({ candidateType: 'relay', relayProtocol: 'tls' })).toBe('relay over TLS');
  });

  test('of two connections is the slower, and the sum', () => {
    const slow = { roundTrip_ms: 40, way: 'TCP', down_bps: 5, up_bps: null };
    const fast = { roundTrip_ms: 4, way: 'UDP', down_bps: 1_000_000, up_bps: null };
    const both = together([slow, UNKNOWN, fast]);

    const rates = { down_bps: 1_000_005, up_bps: null };
    expect(both).toEqual({ roundTrip_ms: 40, way: 'TCP and UDP', ...rates });
    expect(pathLine(both)).toBe('TCP and UDP, round trip 40 ms, down 1.0 Mbit/s, up –');
  });

  test('bits keep three figures or so', () => {
    expect([0, 64_400, 2_345_000].map(bits)).toEqual(['0 kbit/s', '64 kbit/s', '2.3 Mbit/s']);
  });
});
