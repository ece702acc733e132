// The room before the room: names, a look at oneself, devices.

import { cleanName, NAME_MAX, readToken, secureLink, type Invitation } from '../address';
import { explainInsecure, type Advice } from '../advice';
import { DeviceChooser, type Kind } from '../devices';
import { attribute, h, uniqueId } from '../dom';
import { icon } from '../icons';
import { LevelMeter } from '../level';
import { sentences } from '../notices';
import { qualityField } from '../quality';
import { saveSettings, type Quality, type Settings } from '../store';
import { Preview, type Brought } from './preview';

/** What a person enters in the lobby. */
export interface Entry {
  room: string;
  name: string;
  token: string | null;
}

/** Joins the call; it rejects with nothing, after the lobby was told what went wrong. */
export type Enter = (entry: Entry, brought: Brought, lobby: Lobby) => Promise<void>;

/** The first screen. */
export class Lobby {
  readonly element: HTMLElement;
  private readonly preview: Preview;
  private readonly chooser: DeviceChooser;
  private readonly meter = new LevelMeter();
  private readonly video = h('video', { autoplay: true, playsinline: true, class: 'mirrored' });
  private readonly placeholder = h('p', { class: 'preview-off' }, 'The camera is off.');
  private readonly cameraButton = roundButton(() => this.toggleCamera());
  private readonly microphoneButton = roundButton(() => this.toggleMicrophone());
  private readonly problems = h('div', { class: 'problems', role: 'alert' });
  private readonly name = h('input', field('name', 'Your name'));
  private readonly room = h('input', field('room', 'for example: team-standup'));
  private busy = false;
  private readonly join = h('button', { class: 'primary', type: 'submit' }, 'Join the call');

  constructor(
    private readonly invitation: Invitation,
    private readonly settings: Settings,
    private readonly enter: Enter,
  ) {
    this.preview = new Preview(
      settings,
      () => this.show(),
      (advice) => this.complain(advice),
    );
    this.chooser = new DeviceChooser(
      (kind) => this.current(kind),
      (kind, id) => {
        void this.preview.choose(kind, id);
      },
    );
    this.chooser.element.append(
      qualityField(settings.quality, (quality) => void this.setQuality(quality)),
    );
    this.video.muted = true;
    this.element = this.build();
    this.fillIn();
  }

  /** Opens camera and microphone, or says why the browser will not. */
  async open(): Promise<void> {
    this.show();
    if (!navigator.mediaDevices) {
      this.cameraButton.disabled = true;
      this.microphoneButton.disabled = true;
      this.complain(explainInsecure(secureLink(new URL(location.href))));

      return;
    }
    await this.preview.open();
    await this.chooser.refresh();
  }

  /** Shows a problem above the form. */
  complain(advice: Advice): void {
    this.problems.append(h('div', { class: 'problem' }, ...sentences(advice)));
  }

  /** Stops what the lobby opened. */
  close(): void {
    this.meter.watch(null);
    this.chooser.close();
    this.preview.close();
  }

  private build(): HTMLElement {
    const stage = h(
      'div',
      { class: 'preview' },
      this.video,
      this.placeholder,
      h('div', { class: 'preview-controls' }, this.microphoneButton, this.cameraButton),
    );
    const form = h(
      'form',
      { class: 'card', onsubmit: (event: Event) => this.submit(event) },
      h('h1', {}, 'Join a call'),
      this.problems,
      labelled('Your name', this.name),
      labelled('Room', this.room),
      this.chooser.element,
      this.join,
      h('p', { class: 'hint' }, 'Whoever enters the same room name meets you there.'),
    );
    const header = h('header', { class: 'brand' }, h('span', { class: 'logo' }), 'Millrace');
    const look = h(
      'section',
      { class: 'look', 'aria-label': 'Preview' },
      stage,
      this.meter.element,
    );

    return h('main', { class: 'lobby' }, header, h('div', { class: 'lobby-body' }, look, form));
  }

  private fillIn(): void {
    const held = this.invitation.token ? readToken(this.invitation.token) : null;
    this.name.value = held?.name || held?.identity || this.settings.name;
    this.room.value = this.invitation.room;
    // A token speaks for one person and one room: what it says cannot be edited.
    this.name.readOnly = held !== null;
    this.room.readOnly = Boolean(held?.room);
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    this.problems.replaceChildren();
    const entry = {
      name: cleanName(this.name.value),
      room: cleanName(this.room.value),
      token: this.invitation.token,
    };
    if (!entry.name) return this.demand(this.name, 'Enter your name: the others see it.');
    if (!entry.room) return this.demand(this.room, 'Enter a room name.');
    if (!this.name.readOnly) this.settings.name = entry.name;
    saveSettings(this.settings);
    await this.tryToEnter(entry);
  }

  private async tryToEnter(entry: Entry): Promise<void> {
    this.join.disabled = true;
    this.join.textContent = 'Joining…';
    try {
      const { camera, microphone } = this.preview;
      await this.enter(entry, { camera, microphone }, this);
      this.preview.release();
      this.close();
    } catch {
      this.join.disabled = false;
      this.join.textContent = 'Join the call';
    }
  }

  private demand(input: HTMLInputElement, action: string): void {
    this.complain({ title: 'Something is missing.', action });
    input.focus();
  }

  private toggleCamera(): Promise<void> {
    return this.toggle(() => this.preview.setCamera(!this.preview.camera));
  }

  private toggleMicrophone(): Promise<void> {
    return this.toggle(() => this.preview.setMicrophone(!this.preview.microphone));
  }

  /** One press at a time: a second would open the device twice. */
  private async toggle(act: () => Promise<void>): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    this.problems.replaceChildren();
    await act();
    this.busy = false;
    await this.chooser.refresh();
  }

  private async setQuality(quality: Quality): Promise<void> {
    this.settings.quality = quality;
    if (this.preview.camera) await this.preview.setCamera(true);
  }

  private show(): void {
    const { camera, microphone } = this.preview;
    this.video.hidden = !camera;
    this.placeholder.hidden = Boolean(camera);
    this.video.srcObject = camera ? new MediaStream([camera.mediaStreamTrack]) : null;
    this.meter.watch(microphone);
    paint(this.cameraButton, 'camera', Boolean(camera));
    paint(this.microphoneButton, 'mic', Boolean(microphone));
  }

  private current(kind: Kind): string {
    if (kind === 'audiooutput') return this.settings.speaker;
    const track = kind === 'videoinput' ? this.preview.camera : this.preview.microphone;
    const kept = kind === 'videoinput' ? this.settings.camera : this.settings.microphone;

    return track?.mediaStreamTrack.getSettings().deviceId ?? kept;
  }
}

function field(name: string, placeholder: string) {
  return { id: uniqueId(name), name, placeholder, maxlength: NAME_MAX, autocomplete: 'off' };
}

function labelled(text: string, input: HTMLInputElement): HTMLElement {
  return h('div', { class: 'field' }, h('label', { for: input.id }, text), input);
}

function roundButton(press: () => void): HTMLButtonElement {
  return h('button', { type: 'button', class: 'round', onclick: press });
}

function paint(button: HTMLButtonElement, what: 'camera' | 'mic', on: boolean): void {
  const name = what === 'camera' ? 'camera' : 'microphone';
  attribute(button, 'aria-label', `Turn ${name} ${on ? 'off' : 'on'}`);
  attribute(button, 'title', `Turn ${name} ${on ? 'off' : 'on'}`);
  attribute(button, 'data-on', String(on));
  button.replaceChildren(icon(on ? what : what === 'camera' ? 'cameraOff' : 'micOff'));
}
