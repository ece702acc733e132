// Devices, quality and shortcuts while in a call.

import { type Room, Track } from 'livekit-client';
import { explainCapture } from '../advice';
import { browserCodecs, codecOptions, codecsToOffer, codecToSend } from '../codec';
import { DeviceChooser, type Kind } from '../devices';
import { h, uniqueId } from '../dom';
import type { Notices } from '../notices';
import { qualityField } from '../quality';
import { type Codec, saveSettings, type Settings } from '../store';
import { panelHead } from './chat-panel';
import type { Shortcuts } from './shortcuts';

/** The dialog that changes devices, camera quality and codec during the call. */
export class SettingsDialog {
  readonly element: HTMLDialogElement;
  private readonly chooser: DeviceChooser;
  private readonly codecs: HTMLSelectElement;

  /** `settle` is called when the video must be published anew. */
  constructor(
    private readonly room: Room,
    private readonly settings: Settings,
    private readonly notices: Notices,
    shortcuts: Shortcuts,
    private readonly settle: () => void,
  ) {
    this.chooser = new DeviceChooser(
      (kind) => this.current(kind),
      (kind, id) => void this.change(kind, id),
    );
    const id = uniqueId('codec');
    const choose = () => this.republish({ codec: this.codecs.value as Codec });
    this.codecs = h('select', { id, onchange: choose });
    this.chooser.element.append(
      qualityField(settings.quality, (quality) => this.republish({ quality })),
      h('div', { class: 'field' }, h('label', { for: id }, 'Video codec'), this.codecs),
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
    this.showCodecs();
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

  /** What the server takes is known once the call stands. */
  private showCodecs(): void {
    const taken = this.room.engine.latestJoinResponse?.enabledPublishCodecs ?? [];
    const mimes = taken.map(({ mime }) => mime);
    const offered = codecsToOffer(mimes, browserCodecs());
    const current = codecToSend(this.settings.codec, offered);
    this.codecs.replaceChildren(...codecOptions(offered, current));
    this.codecs.disabled = offered.length < 2;
  }

  private republish(change: Partial<Settings>): void {
    Object.assign(this.settings, change);
    saveSettings(this.settings);
    this.settle();
  }
}
