// The buttons below the stage.

import type { Room } from 'livekit-client';
import { attribute, h } from '../dom';
import { icon, type IconName } from '../icons';

/** What the buttons do. */
export interface Actions {
  microphone(): void;
  camera(): void;
  screen(): void;
  layout(): void;
  chat(): void;
  people(): void;
  settings(): void;
  leave(): void;
}

/** What the buttons show beside the room's own state. */
export interface View {
  chatOpen: boolean;
  peopleOpen: boolean;
  unread: number;
  focused: boolean;
}

/** The call's buttons; each says what pressing it does. */
export class Toolbar {
  readonly element: HTMLElement;
  private readonly microphone: HTMLButtonElement;
  private readonly camera: HTMLButtonElement;
  private readonly screen: HTMLButtonElement;
  private readonly layout: HTMLButtonElement;
  private readonly chat: HTMLButtonElement;
  private readonly people: HTMLButtonElement;

  constructor(
    private readonly room: Room,
    actions: Actions,
  ) {
    this.microphone = button('microphone', actions.microphone);
    this.camera = button('camera', actions.camera);
    this.screen = button('screen', actions.screen);
    this.layout = button('layout', actions.layout);
    this.chat = button('chat', actions.chat);
    this.people = button('people', actions.people);
    this.screen.hidden = !navigator.mediaDevices?.getDisplayMedia;
    const settings = button('settings', actions.settings);
    paint(settings, 'settings', 'Settings and shortcuts');
    const leave = button('leave', actions.leave);
    paint(leave, 'leave', 'Leave the call');
    leave.append(h('span', { class: 'wide-only' }, 'Leave'));
    this.element = h(
      'div',
      { class: 'toolbar', role: 'toolbar', 'aria-label': 'Call' },
      h('div', { class: 'toolbar-group' }, this.microphone, this.camera, this.screen),
      h('div', { class: 'toolbar-group' }, this.layout, this.chat, this.people, settings),
      leave,
    );
  }

  /** Shows the state as it is now. */
  update(view: View): void {
    const me = this.room.localParticipant;
    const mic = me.isMicrophoneEnabled;
    const cam = me.isCameraEnabled;
    const sharing = me.isScreenShareEnabled;
    const count = this.room.remoteParticipants.size + 1;

    paint(this.microphone, mic ? 'mic' : 'micOff', mic ? 'Mute microphone' : 'Unmute microphone');
    paint(this.camera, cam ? 'camera' : 'cameraOff', cam ? 'Turn camera off' : 'Turn camera on');
    paint(
      this.screen,
      sharing ? 'screenStop' : 'screen',
      sharing ? 'Stop sharing' : 'Share screen',
    );
    paint(this.layout, 'layout', view.focused ? 'Show the grid' : 'Show the speaker large');
    paint(this.chat, 'chat', view.unread ? `Chat, ${view.unread} unread` : 'Chat');
    paint(this.people, 'people', `People, ${count} in the call`);
    attribute(this.microphone, 'data-on', String(mic));
    attribute(this.camera, 'data-on', String(cam));
    attribute(this.screen, 'data-active', sharing);
    attribute(this.layout, 'aria-pressed', String(view.focused));
    attribute(this.chat, 'aria-expanded', String(view.chatOpen));
    attribute(this.people, 'aria-expanded', String(view.peopleOpen));
    badge(this.chat, view.unread);
    badge(this.people, count);
  }
}

/** Makes one of the buttons, without its icon. */
export function button(name: string, press: () => void): HTMLButtonElement {
  return h('button', { type: 'button', class: `tool tool-${name}`, onclick: press });
}

/** Gives a button its icon, and the words that say what pressing it does. */
export function paint(button: HTMLButtonElement, name: IconName, label: string): void {
  attribute(button, 'aria-label', label);
  attribute(button, 'title', label);
  if (button.dataset.icon === name) return;

  button.dataset.icon = name;
  button.replaceChildren(icon(name));
}

function badge(button: HTMLButtonElement, count: number): void {
  button.querySelector('.badge')?.remove();
  if (count === 0) return;

  button.append(h('span', { class: 'badge', 'aria-hidden': 'true' }, String(count)));
}
