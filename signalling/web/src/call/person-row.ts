// One person in the list: name, state, and what a moderator can do about it.

import { ConnectionQuality, type Participant, Track } from 'livekit-client';
import type { Capture } from '../advice';
import { attribute, h, uniqueId } from '../dom';
import { icon, type IconName } from '../icons';
import { displayName, initials } from './tile';

/** What a row asks for. */
export interface Wishes {
  mute(participant: Participant, what: Capture, trackSid: string): void;
  remove(participant: Participant): void;
}

const SOURCES: Record<Capture, Track.Source> = {
  microphone: Track.Source.Microphone,
  camera: Track.Source.Camera,
  screen: Track.Source.ScreenShare,
};

const STATES: Record<Capture, { on: IconName; off: IconName; name: string }> = {
  microphone: { on: 'mic', off: 'micOff', name: 'Microphone' },
  camera: { on: 'camera', off: 'cameraOff', name: 'Camera' },
  screen: { on: 'screen', off: 'screenStop', name: 'Screen' },
};

const ACTIONS: Record<Capture, [string, string]> = {
  microphone: ['Mute microphone', 'Microphone is off'],
  camera: ['Turn camera off', 'Camera is off'],
  screen: ['Stop screen', 'No screen is shared'],
};

const QUALITIES: Record<ConnectionQuality, string> = {
  [ConnectionQuality.Excellent]: 'Good connection',
  [ConnectionQuality.Good]: 'Fair connection',
  [ConnectionQuality.Poor]: 'Weak connection',
  [ConnectionQuality.Lost]: 'Connection lost',
  [ConnectionQuality.Unknown]: '',
};

const CAPTURES = ['microphone', 'camera', 'screen'] as const;

/** A row; it stays in the document while its person is in the call, so that it keeps the focus. */
export class PersonRow {
  readonly element: HTMLElement;
  private readonly avatar = h('span', { class: 'avatar avatar-small', 'aria-hidden': 'true' });
  private readonly label = h('span', { class: 'person-name' });
  private readonly marks = new Map(CAPTURES.map((what) => [what, mark()]));
  private readonly quality = mark();
  private readonly more: HTMLButtonElement;
  private readonly actions: HTMLElement;
  private readonly buttons: Map<Capture, HTMLButtonElement>;

  constructor(
    private readonly participant: Participant,
    wishes: Wishes,
  ) {
    const id = uniqueId('actions');
    this.quality.append(icon('signal'));
    this.more = h(
      'button',
      { class: 'person-more', 'aria-controls': id, onclick: () => this.toggle() },
      icon('more'),
    );
    this.buttons = new Map(CAPTURES.map((what) => [what, this.muteButton(what, wishes)]));
    const remove = () => wishes.remove(participant);
    this.actions = h(
      'div',
      { class: 'person-actions', id, role: 'group' },
      ...this.buttons.values(),
      h('button', { class: 'bad', onclick: remove }, 'Remove from the call…'),
    );
    this.actions.hidden = true;
    const states = h('span', { class: 'person-states' }, ...this.marks.values(), this.quality);
    this.element = h(
      'li',
      { 'data-identity': participant.identity },
      h('div', { class: 'person' }, this.avatar, this.label, states, this.more),
      this.actions,
    );
  }

  /** Shows the person as it is now; `moderated` when the list's reader may mute and remove it. */
  update(moderated: boolean): void {
    const name = displayName(this.participant);
    this.avatar.textContent = initials(name);
    this.label.textContent = this.participant.isLocal ? `${name} (you)` : name;
    attribute(this.label, 'title', name);
    for (const what of CAPTURES) this.updateCapture(what);
    this.updateQuality();
    if (!moderated) this.actions.hidden = true;
    this.more.hidden = !moderated;
    attribute(this.more, 'aria-expanded', String(!this.actions.hidden));
    for (const [element, label] of [
      [this.more, `Moderate ${name}`],
      [this.actions, `What to do about ${name}`],
    ] as const) {
      attribute(element, 'aria-label', label);
    }
    attribute(this.more, 'title', `Moderate ${name}`);
  }

  private updateCapture(what: Capture): void {
    const on = this.live(what) !== null;
    const { on: onIcon, off: offIcon, name } = STATES[what];
    const element = this.marks.get(what);
    if (!element) return;
    say(element, `${name} ${on ? 'on' : 'off'}`);
    attribute(element, 'data-on', String(on));
    element.replaceChildren(icon(on ? onIcon : offIcon));
    // Not to share a screen is the rule, and worth no mark.
    element.hidden = what === 'screen' && !on;

    const button = this.buttons.get(what);
    if (!button) return;
    button.textContent = ACTIONS[what][on ? 0 : 1];
    // A disabled button would lose the focus of whoever pressed it.
    attribute(button, 'aria-disabled', !on && 'true');
    if (what !== 'screen') return;
    if (!on && document.activeElement === button) this.more.focus();
    button.hidden = !on;
  }

  private updateQuality(): void {
    const { connectionQuality } = this.participant;
    const words = QUALITIES[connectionQuality];
    this.quality.hidden = !words;
    say(this.quality, words);
    attribute(this.quality, 'data-quality', connectionQuality);
  }

  /** The track that is heard or seen now. */
  private live(what: Capture): string | null {
    const publication = this.participant.getTrackPublication(SOURCES[what]);

    return publication && !publication.isMuted ? publication.trackSid : null;
  }

  private muteButton(what: Capture, wishes: Wishes): HTMLButtonElement {
    const press = () => {
      const trackSid = this.live(what);
      if (trackSid) wishes.mute(this.participant, what, trackSid);
    };

    return h('button', { onclick: press });
  }

  private toggle(): void {
    this.actions.hidden = !this.actions.hidden;
    attribute(this.more, 'aria-expanded', String(!this.actions.hidden));
  }
}

function mark(): HTMLElement {
  return h('span', { class: 'person-state', role: 'img' });
}

function say(element: HTMLElement, words: string): void {
  attribute(element, 'title', words);
  attribute(element, 'aria-label', words);
}
