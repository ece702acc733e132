// The screen of a talk: faces, badge and buttons. It shows what the talk says, and knows nothing.

import { button, paint } from '../call/toolbar';
import { attribute, h } from '../dom';
import { Faces } from './faces';
import { type Figures, figuresLine, type Way } from './figures';
import type { Sending } from './path';
import type { Face } from './tile';

/** What the buttons do. */
export interface TalkActions {
  microphone(): void;
  camera(): void;
  screen(): void;
  invite(): void;
  sound(): void;
  leave(): void;
}

/** How the call stands, in one word. */
export type TalkState = 'calling' | 'ringing' | 'connecting' | 'active';

const WAYS: Record<Way, [string, string]> = {
  direct: ['Direct', 'Sound and pictures go from browser to browser.'],
  turn: ['Through TURN', 'A relay passes sound and pictures on; it cannot see or hear them.'],
  server: ['Through the server', 'The server passes sound and pictures on to everybody.'],
};

/** The third screen: a call with somebody. */
export class TalkScreen {
  readonly element: HTMLElement;
  readonly voices = h('div', { class: 'sounds', hidden: true });
  private readonly faces = new Faces();
  private readonly title = h('h1', { tabindex: -1 });
  private readonly badge = h('p', { class: 'route', tabindex: 0 });
  private readonly banner = h('div', { class: 'banner', role: 'status' });
  private readonly sound: HTMLElement;
  private readonly microphone: HTMLButtonElement;
  private readonly camera: HTMLButtonElement;
  private readonly screen: HTMLButtonElement;
  private readonly invite: HTMLButtonElement;
  private readonly leave: HTMLButtonElement;

  constructor(actions: TalkActions) {
    this.microphone = button('microphone', actions.microphone);
    this.camera = button('camera', actions.camera);
    this.screen = button('screen', actions.screen);
    this.screen.hidden = !navigator.mediaDevices?.getDisplayMedia;
    this.invite = button('invite', actions.invite);
    paint(this.invite, 'invite', 'Invite somebody');
    this.leave = button('leave', actions.leave);
    const play = h('button', { onclick: actions.sound }, 'Turn sound on');
    const held = h('span', {}, 'Your browser holds the sound back.');
    this.sound = h('div', { class: 'banner', role: 'alert', hidden: true }, held, play);
    this.badge.hidden = true;
    this.banner.hidden = true;
    this.element = this.build();
  }

  /** Shows the people; gives the longest gap between two tracks of one. */
  people(title: string, faces: readonly Face[]): Promise<number | null> {
    this.title.textContent = title;

    return this.faces.show(faces);
  }

  /** Shows how the call stands and what is on. */
  update(state: TalkState, sending: Sending): void {
    const { microphone, muted, camera, screen } = sending;
    const mic = Boolean(microphone) && !muted;
    paint(this.microphone, mic ? 'mic' : 'micOff', mic ? 'Mute microphone' : 'Unmute microphone');
    paint(this.camera, camera ? 'camera' : 'cameraOff', `Turn camera ${camera ? 'off' : 'on'}`);
    paint(this.screen, screen ? 'screenStop' : 'screen', screen ? 'Stop sharing' : 'Share screen');
    const waits = state === 'calling' || state === 'ringing';
    paint(this.leave, 'leave', waits ? 'Cancel the call' : 'Hang up');
    if (!this.leave.querySelector('span')) this.leave.append(h('span', { class: 'wide-only' }));
    this.leave.lastElementChild!.textContent = waits ? 'Cancel' : 'Hang up';
    attribute(this.microphone, 'data-on', String(mic));
    attribute(this.camera, 'data-on', String(Boolean(camera)));
    attribute(this.screen, 'data-active', Boolean(screen));
    this.invite.hidden = waits;
    attribute(this.element, 'data-state', state);
  }

  /** Says how media goes; `null` while that is not known. */
  figures(figures: Figures | null): void {
    this.badge.hidden = figures === null;
    attribute(this.element, 'data-route', figures?.kind);
    if (!figures) return;

    const [name, meaning] = WAYS[figures.kind];
    const line = figuresLine(figures);
    attribute(this.badge, 'data-kind', figures.kind);
    attribute(this.badge, 'title', meaning);
    attribute(this.badge, 'aria-label', `${name}. ${meaning} Round trip and bitrate: ${line}`);
    this.badge.replaceChildren(h('strong', {}, name), h('span', { class: 'wide-only' }, line));
  }

  /** Shows a sentence above the faces; an empty one takes it away. */
  say(words: string): void {
    this.banner.hidden = !words;
    this.banner.textContent = words;
  }

  /** Shows that the browser wants a click before it plays sound. */
  blocked(on: boolean): void {
    this.sound.hidden = !on;
  }

  focus(): void {
    this.title.focus();
  }

  close(): void {
    this.faces.close();
    this.element.remove();
  }

  private build(): HTMLElement {
    const { microphone, camera, screen, invite, leave } = this;
    const logo = h('span', { class: 'logo' });
    const group = h('div', { class: 'toolbar-group' }, microphone, camera, screen, invite);

    return h(
      'main',
      { class: 'call talk' },
      h('header', { class: 'topbar' }, logo, this.title, this.badge),
      h('div', { class: 'banners' }, this.banner, this.sound),
      h('div', { class: 'middle' }, this.faces.element),
      h('div', { class: 'toolbar', role: 'toolbar', 'aria-label': 'Call' }, group, leave),
      this.voices,
    );
  }
}
