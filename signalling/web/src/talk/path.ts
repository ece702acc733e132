// What a path of media is, whichever way it goes, and when it carries what it should.

import type { Entry } from '../call/measure';
import type { Via } from '../calls';

/** What somebody can send; in this order on a direct path. */
export const SOURCES = ['microphone', 'camera', 'screen'] as const;
export type Source = (typeof SOURCES)[number];

/** The tracks that go out; a microphone that is muted still has its track. */
export type Sending = Record<Source, MediaStreamTrack | null> & { muted: boolean };

/** A track that comes in; `on` is false while it is muted or switched off over there. */
export interface Incoming {
  track: MediaStreamTrack;
  receiver: RTCRtpReceiver | undefined;
  on: boolean;
}

/** What comes in of one person. */
export type Remote = Partial<Record<Source, Incoming>>;

/** A way for media between all who are in the call. */
export interface Path {
  readonly via: Via;
  /** Whether media can flow both ways, and what one sends is sent. */
  readonly connected: boolean;
  /** What comes in, by identity. */
  people(): Map<string, Remote>;
  /** Sends these tracks from now on. */
  send(sending: Sending): Promise<void>;
  /** One report of each connection. */
  reports(): Promise<Entry[][]>;
  /** Ends it; the tracks that were sent go on. */
  close(): void;
}

/** What a path tells its owner. */
export interface Watcher {
  /** Tracks came, went, or were switched on or off. */
  changed(): void;
  /** It is over, or did not come about. */
  failed(reason: string): void;
  /** The other has gone for good. */
  gone(): void;
}

/** Milliseconds between two looks at what arrives. */
const LOOK_MS = 50;
/** Decoded pictures that show that more will follow: the first alone may be a key frame's luck. */
const FRAMES_MIN = 5;

/**
 * Waits until the path carries all it should: all that `wanted` names (and whoever is on it
 * already), each track with decoded pictures or a packet of sound. Ends quietly when aborted.
 */
export async function carries(
  path: Path,
  wanted: () => Map<string, Remote>,
  abort: AbortSignal,
): Promise<boolean> {
  while (!abort.aborted) {
    if (path.connected && (await isWhole(path.people(), wanted()))) return !abort.aborted;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }

  return false;
}

async function isWhole(there: Map<string, Remote>, wanted: Map<string, Remote>): Promise<boolean> {
  for (const [identity, remote] of wanted) {
    const has = there.get(identity);
    if (SOURCES.some((source) => remote[source]?.on && !has?.[source])) return false;
  }
  const all = [...there.values()].flatMap((remote) => SOURCES.map((source) => remote[source]));
  const flowing = await Promise.all(all.map((incoming) => !incoming?.on || flows(incoming)));

  return flowing.every(Boolean);
}

async function flows({ receiver, track }: Incoming): Promise<boolean> {
  const report = await receiver?.getStats();
  const [member, least] =
    track.kind === 'video' ? ['framesDecoded', FRAMES_MIN] : ['packetsReceived', 1];

  return [...(report?.values() ?? [])].some(
    (entry: Entry) => entry.type === 'inbound-rtp' && Number(entry[member]) >= least,
  );
}
