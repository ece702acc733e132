// Makes the room connection: what the SDK is told, and how one gets in.

import {
  ConnectionError,
  ConnectionErrorReason,
  Room,
  type RoomOptions,
} from 'livekit-client';
import { serverUrl } from '../address';
import { AdmissionError, askReason, askToken } from '../admission';
import type { Entry } from '../lobby/lobby';
import { tabIdentity, type Settings } from '../store';
import { apply } from './publishing';

/** A phone's screen has 3 pixels for each CSS pixel: a tile would always ask for all there is. */
const DENSITY_MAX = 2;

/** Makes a room that is not connected yet; `change` overrides what the page's rooms have. */
export function makeRoom(settings: Settings, change: Partial<RoomOptions> = {}): Room {
  const room = new Room({
    adaptiveStream: { pixelDensity: density(devicePixelRatio) },
    singlePeerConnection: false,
    audioCaptureDefaults: { deviceId: settings.microphone || undefined },
    audioOutput: settings.speaker ? { deviceId: settings.speaker } : undefined,
    publishDefaults: { simulcast: true, red: false, dtx: true, backupCodec: false },
    ...change,
  });
  apply(room, settings);

  return room;
}

/** Pixels of a picture for one CSS pixel: as the screen has, but no more than anybody sees. */
export function density(screen: number): number {
  return Math.min(Math.max(screen, 1), DENSITY_MAX);
}

/** Gets a token, unless the link brought one, and connects; gives the token. */
export async function connect(room: Room, entry: Entry, page: URL): Promise<string> {
  const token = entry.token ?? (await tokenFor(entry, page));
  try {
    await room.connect(serverUrl(page), token);

    return token;
  } catch (error) {
    throw (await refusal(error, token, page)) ?? error;
  }
}

function tokenFor(entry: Entry, page: URL): Promise<string> {
  const identity = tabIdentity(entry.name);

  return askToken(new URL('/token', page.origin), identity, entry.room, entry.name);
}

/** The browser hides why a WebSocket was refused: the server tells it on another path. */
async function refusal(error: unknown, token: string, page: URL): Promise<AdmissionError | null> {
  const known =
    !(error instanceof ConnectionError) ||
    error.reason === ConnectionErrorReason.NotAllowed ||
    error.reason === ConnectionErrorReason.LeaveRequest;
  if (known) return null;

  return askReason(new URL('/rtc/validate', page.origin), token);
}
