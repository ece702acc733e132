// What a moderator may do: the same requests a back end makes, with the person's own token.

import type { Room } from 'livekit-client';
import { readToken } from '../address';
import { AdmissionError, readReason } from '../admission';

/** Milliseconds to wait for an answer. */
const ANSWER_TIMEOUT_MS = 10_000;

/** Mutes and removes others, if the token permits it. */
export class Moderator {
  private token = '';

  /** `changed` is called when a fresh token permits something else. */
  constructor(
    private readonly room: Room,
    private readonly origin: string,
    changed: () => void,
  ) {
    // The token that one joined with expires during a long call.
    room.engine.on('tokenRefreshed', (token) => {
      this.token = token;
      changed();
    });
  }

  /** Takes the token that one joined with, unless a fresh one came already. */
  begin(token: string): void {
    this.token ||= token;
  }

  /** Whether the token moderates this room; the server decides again at each request. */
  get allowed(): boolean {
    return moderates(this.token, this.room.name);
  }

  /** Mutes a track of somebody. Nobody's microphone can be opened from outside. */
  mute(identity: string, trackSid: string): Promise<void> {
    return this.ask('MutePublishedTrack', { identity, trackSid, muted: true });
  }

  /** Ends somebody's call. */
  remove(identity: string): Promise<void> {
    return this.ask('RemoveParticipant', { identity });
  }

  private async ask(method: string, request: object): Promise<void> {
    const endpoint = new URL(`/twirp/livekit.RoomService/${method}`, this.origin);
    const response = await fetch(endpoint, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${this.token}` },
      body: JSON.stringify({ room: this.room.name, ...request }),
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    }).catch(() => null);
    if (!response) throw new AdmissionError(0, '');
    if (!response.ok) throw new AdmissionError(response.status, readReason(await response.text()));
  }
}

/** Tells whether a token moderates a room, as the server reads it. */
export function moderates(token: string, room: string): boolean {
  const held = readToken(token);

  return held !== null && held.moderates && held.room === room;
}
