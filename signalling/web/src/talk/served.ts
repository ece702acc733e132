// Through the server: a room of its SFU, by livekit-client.

import { type LocalTrackPublication, type Participant, RoomEvent, Track } from 'livekit-client';
import { serverUrl } from '../address';
import { type Entry, readReports } from '../call/measure';
import { makeRoom } from '../call/session';
import type { Settings } from '../store';
import {
  type Path,
  type Remote,
  type Sending,
  type Source,
  SOURCES,
  type Watcher,
} from './path';

const KINDS: Record<Source, Track.Source> = {
  microphone: Track.Source.Microphone,
  camera: Track.Source.Camera,
  screen: Track.Source.ScreenShare,
};

const CHANGES = [
  RoomEvent.ParticipantConnected,
  RoomEvent.ParticipantDisconnected,
  RoomEvent.TrackSubscribed,
  RoomEvent.TrackUnsubscribed,
  RoomEvent.TrackMuted,
  RoomEvent.TrackUnmuted,
] as const;

/** A path through the SFU. Tracks belong to the caller: they are sent, and never stopped. */
export class ServedPath implements Path {
  readonly via = 'server';
  private readonly room;
  private readonly sent = new Map<Source, LocalTrackPublication>();
  private work: Promise<void>;
  private published = false;
  private closed = false;

  constructor(
    entry: { url: string; token: string },
    settings: Settings,
    private readonly watcher: Watcher,
  ) {
    // A path must carry pictures before they are shown.
    this.room = makeRoom(settings, { adaptiveStream: false });
    for (const event of CHANGES) this.room.on(event, () => this.watcher.changed());
    this.room.on(RoomEvent.Disconnected, () => !this.closed && this.watcher.failed('room'));
    this.work = this.room.connect(entry.url || serverUrl(new URL(location.href)), entry.token);
    this.work.catch((error) => this.fail(error));
  }

  get connected(): boolean {
    return this.published && !this.closed;
  }

  people(): Map<string, Remote> {
    const people = [...this.room.remoteParticipants.values()];

    return new Map(people.map((person) => [person.identity, remoteOf(person)]));
  }

  send(sending: Sending): Promise<void> {
    this.work = this.work.then(() => this.publish(sending));

    return this.work.catch((error) => this.fail(error));
  }

  reports(): Promise<Entry[][]> {
    const peers = this.room.engine.pcManager;

    return readReports([peers?.subscriber, peers?.publisher]);
  }

  close(): void {
    this.closed = true;
    void this.room.disconnect(false);
  }

  private async publish(sending: Sending): Promise<void> {
    if (this.closed) return;
    await Promise.all(SOURCES.map((source) => this.agree(source, sending[source])));
    const microphone = this.sent.get('microphone')?.audioTrack;
    if (sending.muted) await microphone?.mute();
    else await microphone?.unmute();
    this.published = true;
  }

  private async agree(source: Source, track: MediaStreamTrack | null): Promise<void> {
    const me = this.room.localParticipant;
    const before = this.sent.get(source);
    if (before?.track?.mediaStreamTrack === track) return;
    if (before?.track) {
      this.sent.delete(source);
      await me.unpublishTrack(before.track, false);
    }
    if (!track) return;

    this.sent.set(source, await me.publishTrack(track, { source: KINDS[source] }));
  }

  private fail(error: unknown): void {
    if (this.closed) return;
    console.warn('room', error);
    this.watcher.failed('room');
  }
}

function remoteOf(person: Participant): Remote {
  const remote: Remote = {};
  for (const source of SOURCES) {
    const publication = person.getTrackPublication(KINDS[source]);
    const track = publication?.track;
    const on = publication?.isMuted === false;
    if (!track || (!on && source !== 'microphone')) continue;
    const receiver = 'receiver' in track ? (track.receiver as RTCRtpReceiver) : undefined;
    remote[source] = { track: track.mediaStreamTrack, receiver, on };
  }

  return remote;
}
