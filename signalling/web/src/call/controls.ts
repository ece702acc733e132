// Microphone, camera and screen: turning them on and off.

import { type Room, Track } from 'livekit-client';
import { explainCapture, explainInsecure, explainMuted, type Capture } from '../advice';
import { secureLink } from '../address';
import type { Brought } from '../lobby/preview';
import type { Notices } from '../notices';
import { saveSettings, type Settings } from '../store';
import { apply, republish } from './publishing';

const CAPTURES = new Map<Track.Source, Capture>([
  [Track.Source.Microphone, 'microphone'],
  [Track.Source.Camera, 'camera'],
  [Track.Source.ScreenShare, 'screen'],
]);

/** Publishes what a person brought from the lobby, and turns it on and off. */
export class Controls {
  private readonly busy = new Map<Capture, Promise<void>>();

  constructor(
    private readonly room: Room,
    private readonly settings: Settings,
    private readonly notices: Notices,
    private readonly changed: () => void,
  ) {
    room.engine.on('remoteMute', (trackSid, muted) => muted && this.mutedFromOutside(trackSid));
  }

  /** Publishes the lobby's tracks. */
  async publish({ camera, microphone }: Brought): Promise<void> {
    const me = this.room.localParticipant;
    await Promise.all([
      microphone && this.attempt('microphone', () => me.publishTrack(microphone)),
      camera && this.attempt('camera', () => me.publishTrack(camera)),
    ]);
  }

  /** Mutes or unmutes. */
  async microphone(): Promise<void> {
    const me = this.room.localParticipant;
    const on = !me.isMicrophoneEnabled;
    this.settings.microphoneOn = on;
    await this.attempt('microphone', () => me.setMicrophoneEnabled(on));
    this.notices.say(me.isMicrophoneEnabled ? 'Microphone on.' : 'Microphone off.');
  }

  /** Turns the camera on or off. */
  async camera(): Promise<void> {
    const me = this.room.localParticipant;
    const on = !me.isCameraEnabled;
    this.settings.cameraOn = on;
    await this.attempt('camera', () => me.setCameraEnabled(on));
    this.notices.say(me.isCameraEnabled ? 'Camera on.' : 'Camera off.');
  }

  /** Starts or stops sharing the screen, with its sound where the browser can. */
  async screen(): Promise<void> {
    const me = this.room.localParticipant;
    const on = !me.isScreenShareEnabled;
    await this.attempt('screen', () => me.setScreenShareEnabled(on, { audio: true }));
    const sharing = me.getTrackPublication(Track.Source.ScreenShare)?.track;
    this.notices.say(sharing ? 'You share your screen.' : 'You do not share your screen.');
  }

  /** Publishes again, with the quality and codec that the settings say by now. */
  async settle(): Promise<void> {
    apply(this.room, this.settings);
    await this.publishAgain('camera');
    await this.publishAgain('screen');
  }

  /** The SDK mutes by itself; the person has to know who did it. */
  private mutedFromOutside(trackSid: string): void {
    const me = this.room.localParticipant;
    const source = me.trackPublications.get(trackSid)?.source;
    const what = source && CAPTURES.get(source);
    if (!what) return;

    this.notices.warn(explainMuted(what));
    // A muted screen would still be captured.
    if (what === 'screen') void this.attempt(what, () => me.setScreenShareEnabled(false));
  }

  private async publishAgain(what: 'camera' | 'screen'): Promise<void> {
    const source = what === 'camera' ? Track.Source.Camera : Track.Source.ScreenShare;
    // Whatever is under way may still publish as the settings were.
    while (this.busy.has(what)) await this.busy.get(what);
    await this.attempt(what, () => republish(this.room, source, this.settings));
  }

  /** A second press while the first is under way is left out. */
  private async attempt(what: Capture, act: () => Promise<unknown>): Promise<void> {
    if (this.busy.has(what)) return;
    if (!navigator.mediaDevices) {
      return this.notices.warn(explainInsecure(secureLink(new URL(location.href))));
    }
    const work = this.carryOut(what, act);
    this.busy.set(what, work);
    await work;
  }

  private async carryOut(what: Capture, act: () => Promise<unknown>): Promise<void> {
    try {
      await act();
      saveSettings(this.settings);
    } catch (error) {
      this.notices.warn(explainCapture(error, what));
    } finally {
      this.busy.delete(what);
      this.changed();
    }
  }
}
