// One's own microphone, camera and screen in a call: opened, muted, turned off and on.

import { explainCapture, explainInsecure, type Advice, type Capture } from '../advice';
import { secureLink } from '../address';
import { PRESETS } from '../quality';
import { saveSettings, type Settings } from '../store';
import type { Sending, Source } from './path';

/** Owns the tracks that go out, whatever path they take; `changed` is told of each change. */
export class Media {
  private readonly tracks: Record<Source, MediaStreamTrack | null> = {
    microphone: null,
    camera: null,
    screen: null,
  };
  private muted = false;
  private closed = false;
  private readonly busy = new Set<Source>();

  constructor(
    private readonly settings: Settings,
    private readonly changed: () => void,
    private readonly failed: (advice: Advice) => void,
  ) {}

  /** What goes out now. */
  get sending(): Sending {
    return { ...this.tracks, muted: this.muted };
  }

  /** Opens the microphone, and the camera where one is wanted: one question, if possible. */
  async open(camera: boolean): Promise<void> {
    if (!navigator.mediaDevices) {
      return this.failed(explainInsecure(secureLink(new URL(location.href))));
    }
    if (camera && (await this.openBoth())) return;
    await this.turn('microphone', true);
    if (camera) await this.turn('camera', true);
  }

  /** Mutes or unmutes; without a microphone it is opened. */
  async toggleMicrophone(): Promise<void> {
    if (!this.tracks.microphone) return this.turn('microphone', true);

    this.muted = !this.muted;
    this.tracks.microphone.enabled = !this.muted;
    this.changed();
  }

  /** Turns the camera off, with its lamp, or on. */
  toggleCamera(): Promise<void> {
    return this.turn('camera', !this.tracks.camera);
  }

  /** Shares a screen, or stops. */
  toggleScreen(): Promise<void> {
    return this.turn('screen', !this.tracks.screen);
  }

  /** Stops everything. */
  close(): void {
    this.closed = true;
    for (const track of Object.values(this.tracks)) track?.stop();
  }

  private async openBoth(): Promise<boolean> {
    try {
      const wanted = { audio: this.audio(), video: this.video() };
      const stream = await navigator.mediaDevices.getUserMedia(wanted);
      this.keep('microphone', stream.getAudioTracks()[0]);
      this.keep('camera', stream.getVideoTracks()[0]);
      this.changed();

      return true;
    } catch {
      return false;
    }
  }

  /** A second press while the first is under way is left out. */
  private async turn(source: Source, on: boolean): Promise<void> {
    if (this.busy.has(source)) return;
    this.busy.add(source);
    try {
      this.tracks[source]?.stop();
      this.tracks[source] = null;
      if (on) this.keep(source, await this.capture(source));
    } catch (error) {
      this.failed(explainCapture(error, source satisfies Capture));
    } finally {
      this.busy.delete(source);
    }
    if (source === 'camera') this.settings.cameraOn = on;
    saveSettings(this.settings);
    this.changed();
  }

  private async capture(source: Source): Promise<MediaStreamTrack | undefined> {
    const { mediaDevices } = navigator;
    const stream = await {
      microphone: () => mediaDevices.getUserMedia({ audio: this.audio() }),
      camera: () => mediaDevices.getUserMedia({ video: this.video() }),
      screen: () => mediaDevices.getDisplayMedia({ video: true }),
    }[source]();

    return stream.getTracks()[0];
  }

  private keep(source: Source, track: MediaStreamTrack | undefined): void {
    // A device that opened after the call ended would stay on.
    if (this.closed || !track) return track?.stop();

    this.tracks[source] = track;
    if (source === 'microphone') track.enabled = !this.muted;
    // The browser's own button ends a screen as well, and a device may be unplugged.
    track.onended = () => {
      if (this.tracks[source] !== track) return;
      this.tracks[source] = null;
      this.changed();
    };
  }

  private audio(): MediaTrackConstraints {
    const { microphone } = this.settings;

    return { ...device(microphone), echoCancellation: true, noiseSuppression: true };
  }

  private video(): MediaTrackConstraints {
    const { width, height, frameRate } = PRESETS[this.settings.quality].resolution;
    const size = { width: { ideal: width }, height: { ideal: height } };

    return { ...device(this.settings.camera), ...size, frameRate: { ideal: frameRate ?? 30 } };
  }
}

function device(deviceId: string): MediaTrackConstraints {
  return deviceId ? { deviceId } : {};
}
