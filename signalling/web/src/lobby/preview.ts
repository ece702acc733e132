// The lobby's camera and microphone, opened before the call and handed to it.

import {
  createLocalAudioTrack,
  createLocalTracks,
  createLocalVideoTrack,
  LocalAudioTrack,
  LocalVideoTrack,
} from 'livekit-client';
import { explainCapture, type Advice } from '../advice';
import type { Kind } from '../devices';
import { capture } from '../quality';
import type { Settings } from '../store';

/** The tracks that a person brings into the call. */
export interface Brought {
  camera: LocalVideoTrack | null;
  microphone: LocalAudioTrack | null;
}

/** Owns the lobby's tracks until they are handed over or stopped. */
export class Preview {
  camera: LocalVideoTrack | null = null;
  microphone: LocalAudioTrack | null = null;
  private closed = false;

  constructor(
    private readonly settings: Settings,
    private readonly changed: () => void,
    private readonly failed: (advice: Advice) => void,
  ) {}

  /** Opens what the settings say is on: both with one question to the person, if possible. */
  async open(): Promise<void> {
    if (this.settings.cameraOn && this.settings.microphoneOn && (await this.openBoth())) return;
    if (this.settings.cameraOn) await this.setCamera(true);
    if (this.settings.microphoneOn) await this.setMicrophone(true);
  }

  /** Turns the camera on or off. */
  async setCamera(on: boolean): Promise<void> {
    this.settings.cameraOn = on;
    this.camera?.stop();
    this.camera = null;
    if (on) {
      const open = () => createLocalVideoTrack(capture(this.settings));
      this.camera = await this.attempt('camera', open);
    }
    this.settle();
  }

  /** Turns the microphone on or off. */
  async setMicrophone(on: boolean): Promise<void> {
    this.settings.microphoneOn = on;
    this.microphone?.stop();
    this.microphone = null;
    if (on) {
      const open = () => createLocalAudioTrack(this.audio());
      this.microphone = await this.attempt('microphone', open);
    }
    this.settle();
  }

  /** Changes to another device; speakers have no track here. */
  async choose(kind: Kind, deviceId: string): Promise<void> {
    if (kind === 'audiooutput') this.settings.speaker = deviceId;
    if (kind === 'videoinput') this.settings.camera = deviceId;
    if (kind === 'audioinput') this.settings.microphone = deviceId;
    if (kind === 'videoinput' && this.camera) await this.setCamera(true);
    if (kind === 'audioinput' && this.microphone) await this.setMicrophone(true);
  }

  /** Hands the tracks over: closing the preview leaves them running. */
  release(): Brought {
    const brought = { camera: this.camera, microphone: this.microphone };
    this.camera = null;
    this.microphone = null;
    this.closed = true;

    return brought;
  }

  /** Stops what was not handed over. */
  close(): void {
    this.closed = true;
    this.camera?.stop();
    this.microphone?.stop();
  }

  private async openBoth(): Promise<boolean> {
    try {
      const video = capture(this.settings);
      const tracks = await createLocalTracks({ audio: this.audio(), video });
      for (const track of tracks) {
        if (track instanceof LocalVideoTrack) this.camera = track;
        if (track instanceof LocalAudioTrack) this.microphone = track;
      }
      this.settle();

      return true;
    } catch {
      return false;
    }
  }

  private async attempt<T>(what: 'camera' | 'microphone', open: () => Promise<T>) {
    try {
      return await open();
    } catch (error) {
      this.failed(explainCapture(error, what));

      return null;
    }
  }

  /** A track that opened after the lobby was left would keep the camera's lamp on. */
  private settle(): void {
    if (this.closed) this.close();
    this.changed();
  }

  private audio() {
    return { deviceId: this.settings.microphone || undefined };
  }
}
