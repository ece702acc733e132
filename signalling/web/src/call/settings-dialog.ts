// Devices, quality and shortcuts while in a call.

import { LocalVideoTrack, type Room, Track } from 'livekit-client';
import { explainCapture } from '../advice';
import { DeviceChooser, type Kind } from '../devices';
import { h, uniqueId } from '../dom';
import type { Notices } from '../notices';
import { PRESETS, qualityField } from '../quality';
import { saveSettings, type Quality, type Settings } from '../store';
import { panelHead } from './chat-panel';
import type { Shortcuts } from './shortcuts';

/** The dialog that changes devices during the call. */
export class SettingsDialog {
  readonly element: HTMLDialogElement;
  private readonly chooser: DeviceChooser;

  constructor(
    private readonly room: Room,
    private readonly settings: Settings,
    private readonly notices: Notices,
    shortcuts: Shortcuts,
  ) {
    this.chooser = new DeviceChooser(
      (kind) => this.current(kind),
      (kind, id) => void this.change(kind, id),
    );
    this.chooser.element.append(
      qualityField(settings.quality, (quality) => void this.changeQuality(quality)),
    );
    this.element = h(
      'dialog',
      { class: 'dialog', 'aria-label': 'Settings' },
      panelHead('Settings', () => this.element.close()),
      this.chooser.element,
      h('h3', {}, 'Keyboard'),
      this.keysField(),
      shortcuts.describe(),
    );
  }

  /** Shows the dialog with what is plugged in now. */
  open(): void {
    void this.chooser.refresh();
    this.element.showModal();
  }

  /** Stops following the devices. */
  close(): void {
    this.chooser.close();
    this.element.close();
  }

  private keysField(): HTMLElement {
    const id = uniqueId('keys');
    const box = h('input', {
      id,
      type: 'checkbox',
      checked: this.settings.singleKeys,
      onchange: () => {
        this.settings.singleKeys = box.checked;
        saveSettings(this.settings);
      },
    });

    return h('div', { class: 'check' }, box, h('label', { for: id }, 'Single-key shortcuts'));
  }

  private current(kind: Kind): string {
    const active = this.room.getActiveDevice(kind);
    if (active && active !== 'default') return active;
    const source = kind === 'videoinput' ? Track.Source.Camera : Track.Source.Microphone;
    const track = this.room.localParticipant.getTrackPublication(source)?.track;

    return (kind !== 'audiooutput' && track?.mediaStreamTrack.getSettings().deviceId) || 'default';
  }

  private async change(kind: Kind, deviceId: string): Promise<void> {
    if (kind === 'audiooutput') this.settings.speaker = deviceId;
    if (kind === 'videoinput') this.settings.camera = deviceId;
    if (kind === 'audioinput') this.settings.microphone = deviceId;
    saveSettings(this.settings);
    try {
      await this.room.switchActiveDevice(kind, deviceId);
    } catch (error) {
      this.notices.warn(explainCapture(error, kind === 'videoinput' ? 'camera' : 'microphone'));
    }
  }

  private async changeQuality(quality: Quality): Promise<void> {
    this.settings.quality = quality;
    saveSettings(this.settings);
    const { resolution } = PRESETS[quality];
    this.room.options.videoCaptureDefaults = {
      ...this.room.options.videoCaptureDefaults,
      resolution,
    };
    const track = this.room.localParticipant.getTrackPublication(Track.Source.Camera)?.track;
    if (!(track instanceof LocalVideoTrack) || track.isMuted) return;
    try {
      await track.restartTrack({ deviceId: this.settings.camera || undefined, resolution });
    } catch (error) {
      this.notices.warn(explainCapture(error, 'camera'));
    }
  }
}
