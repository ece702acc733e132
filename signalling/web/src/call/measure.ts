// What getStats tells, as numbers and words: reports in, numbers and lines out.

/** An entry of a report, as far as it is read here (W3C, webrtc-stats; times in milliseconds). */
export interface Entry {
  id: string;
  type: string;
  timestamp: number;
  [member: string]: unknown;
}

/** A layer that a publisher announced. */
export interface Layer {
  name: string;
  height: number;
}

/** What one picture is like; `null`: not known (yet). */
export interface Picture {
  width: number | null;
  height: number | null;
  fps: number | null;
  bitrate_bps: number | null;
  codec: string | null;
  layer: string | null;
  /** 0 to 100. */
  loss_percent: number | null;
  jitter_ms: number | null;
}

/** What one connection is like. */
export interface Path {
  roundTrip_ms: number | null;
  /** How media goes: `UDP`, `TCP`, or `relay over` UDP, TCP or TLS. */
  way: string | null;
  down_bps: number | null;
  up_bps: number | null;
}

/** Finds what comes in on a track; `before` is the report of the last time. */
export function incoming(
  now: readonly Entry[],
  before: readonly Entry[],
  trackId: string,
  layers: readonly Layer[],
): Picture | null {
  const stream = now.find((e) => e.type === 'inbound-rtp' && e.trackIdentifier === trackId);
  if (!stream) return null;

  const past = before.find(({ id }) => id === stream.id);
  const height = number(stream, 'frameHeight');
  const received = growth(stream, past, 'packetsReceived');
  const lost = growth(stream, past, 'packetsLost');

  return {
    width: number(stream, 'frameWidth'),
    height,
    fps: number(stream, 'framesPerSecond'),
    bitrate_bps: rate(stream, past, 'bytesReceived'),
    codec: codecOf(now, stream),
    layer: layerOf(height, layers),
    loss_percent: received === null || lost === null ? null : share(lost, received),
    jitter_ms: scaled(number(stream, 'jitter'), 1000),
  };
}

/** Finds what goes out of a track, all layers together; the size is the largest layer's. */
export function outgoing(
  now: readonly Entry[],
  before: readonly Entry[],
  trackId: string,
): Picture | null {
  const source = now.find((e) => e.type === 'media-source' && e.trackIdentifier === trackId);
  const streams = now.filter((e) => e.type === 'outbound-rtp' && e.mediaSourceId === source?.id);
  if (!source || streams.length === 0) return null;

  const sent = streams.filter((e) => (number(e, 'framesPerSecond') ?? 0) > 0);
  sent.sort((a, b) => (number(a, 'frameWidth') ?? 0) - (number(b, 'frameWidth') ?? 0));
  const largest = sent[sent.length - 1] ?? (streams[0] as Entry);
  const ids = new Set<unknown>(streams.map(({ id }) => id));
  const heard = now.filter((e) => e.type === 'remote-inbound-rtp' && ids.has(e.localId));
  const rates = streams.map((e) =>
    rate(
      e,
      before.find(({ id }) => id === e.id),
      'bytesSent',
    ),
  );

  return {
    width: number(largest, 'frameWidth'),
    height: number(largest, 'frameHeight'),
    fps: number(largest, 'framesPerSecond'),
    bitrate_bps: total(rates),
    codec: codecOf(now, largest),
    layer: sent.map((e) => word(e, 'rid') ?? word(e, 'scalabilityMode')).join(' ') || null,
    loss_percent: scaled(worst(heard, 'fractionLost'), 100),
    jitter_ms: scaled(worst(heard, 'jitter'), 1000),
  };
}

/** Finds how a connection goes. */
export function path(now: readonly Entry[], before: readonly Entry[]): Path {
  const transport = now.find((e) => e.type === 'transport');
  const past = before.find(({ id }) => id === transport?.id);
  const pair = selectedPair(now, transport);
  const local = now.find(({ id }) => id === pair?.localCandidateId);

  return {
    roundTrip_ms: scaled(pair ? number(pair, 'currentRoundTripTime') : null, 1000),
    way: local ? wayOf(local) : null,
    down_bps: transport ? rate(transport, past, 'bytesReceived') : null,
    up_bps: transport ? rate(transport, past, 'bytesSent') : null,
  };
}

/** Puts the paths of several connections together: the longest round trip, all bits. */
export function together(paths: readonly Path[]): Path {
  const trips = paths.map((p) => p.roundTrip_ms).filter((trip) => trip !== null);
  const ways = new Set(paths.map(({ way }) => way).filter((way) => way !== null));

  return {
    roundTrip_ms: trips.length ? Math.max(...trips) : null,
    way: [...ways].join(' and ') || null,
    down_bps: total(paths.map((p) => p.down_bps)),
    up_bps: total(paths.map((p) => p.up_bps)),
  };
}

/** Reads a report of each connection; one that is just closing gives none. */
export async function readReports(
  peers: readonly ({ getStats(): Promise<RTCStatsReport> | undefined } | undefined)[],
): Promise<Entry[][]> {
  const reports = peers.map(async (peer) => {
    try {
      const report = await peer?.getStats();

      return report ? ([...report.values()] as Entry[]) : [];
    } catch {
      return [];
    }
  });

  return Promise.all(reports);
}

/** Says a picture in three short lines. */
export function pictureLines(picture: Picture): string[] {
  const { width, height, fps, codec, layer } = picture;
  const size = width && height ? `${width}×${height}` : 'no picture';
  const what = [codec ?? '–', layer && `layer ${layer}`].filter(Boolean).join(', ');

  return [
    `${size}, ${unit(fps, 'fps')}`,
    `${what}, ${bits(picture.bitrate_bps)}`,
    `loss ${unit(picture.loss_percent, '%', 1)}, jitter ${unit(picture.jitter_ms, 'ms')}`,
  ];
}

/** Says a path in one line. */
export function pathLine(path: Path): string {
  const trip = `round trip ${unit(path.roundTrip_ms, 'ms')}`;

  return `${path.way ?? '–'}, ${trip}, down ${bits(path.down_bps)}, up ${bits(path.up_bps)}`;
}

/** Bits per second in the unit that keeps them short. */
export function bits(bps: number | null): string {
  if (bps === null) return '–';

  return bps < 1e6 ? `${Math.round(bps / 1e3)} kbit/s` : `${(bps / 1e6).toFixed(1)} Mbit/s`;
}

function unit(value: number | null, name: string, digits = 0): string {
  return value === null ? '–' : `${value.toFixed(digits)} ${name}`;
}

function codecOf(now: readonly Entry[], stream: Entry): string | null {
  const codec = now.find(({ id }) => id === stream.codecId);
  const type = codec && word(codec, 'mimeType');

  return type ? type.slice(type.indexOf('/') + 1) : null;
}

/** The announced layer that is nearest in height: a receiver is not told which one it gets. */
function layerOf(height: number | null, layers: readonly Layer[]): string | null {
  if (!height || layers.length < 2) return null;
  const distance = (layer: Layer) => Math.abs(layer.height - height);

  return layers.reduce((best, next) => (distance(next) < distance(best) ? next : best)).name;
}

/** Firefox has no transport entries: there the pair itself says that it is selected. */
function selectedPair(now: readonly Entry[], transport: Entry | undefined): Entry | undefined {
  const pairs = now.filter((e) => e.type === 'candidate-pair');
  const chosen = pairs.find(({ id }) => id === transport?.selectedCandidatePairId);

  return chosen ?? pairs.find((e) => e.selected === true) ?? pairs.find((e) => e.nominated);
}

function wayOf(local: Entry): string {
  if (local.candidateType !== 'relay') return (word(local, 'protocol') ?? 'udp').toUpperCase();

  return `relay over ${(word(local, 'relayProtocol') ?? 'udp').toUpperCase()}`;
}

/** Bits per second since `past`; `null` when there is none, or a counter began anew. */
function rate(now: Entry, past: Entry | undefined, bytes: string): number | null {
  const more = growth(now, past, bytes);
  const elapsed = past ? now.timestamp - past.timestamp : 0;

  return more === null || more < 0 || elapsed <= 0 ? null : (more * 8 * 1000) / elapsed;
}

function growth(now: Entry, past: Entry | undefined, member: string): number | null {
  const [last, first] = [number(now, member), past ? number(past, member) : null];

  return last === null || first === null ? null : last - first;
}

/** Lost packets of all, in percent; packets that came late after all count as none lost. */
function share(lost: number, received: number): number | null {
  const missing = Math.max(0, lost);
  const expected = missing + received;

  return received < 0 || expected === 0 ? null : (missing / expected) * 100;
}

function worst(entries: readonly Entry[], member: string): number | null {
  const values = entries.map((e) => number(e, member)).filter((value) => value !== null);

  return values.length ? Math.max(...values) : null;
}

function total(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);

  return known.length ? known.reduce((sum, value) => sum + value, 0) : null;
}

function scaled(value: number | null, factor: number): number | null {
  return value === null ? null : value * factor;
}

function number(entry: Entry, member: string): number | null {
  const value = entry[member];

  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

function word(entry: Entry, member: string): string | null {
  const value = entry[member];

  return typeof value === 'string' && value ? value : null;
}
