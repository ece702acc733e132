// The list of everybody in the call.

import { type Room, Track, type Participant } from 'livekit-client';
import { h } from '../dom';
import { icon } from '../icons';
import { panelHead } from './chat-panel';
import { displayName, initials } from './tile';

/** Names everybody, also those who have no place on the stage. */
export class PeoplePanel {
  readonly element: HTMLElement;
  private readonly list = h('ul', { class: 'people' });

  constructor(
    private readonly room: Room,
    close: () => void,
    copyLink: () => void,
  ) {
    this.element = h(
      'section',
      { class: 'panel', 'aria-label': 'People' },
      panelHead('People', close),
      this.list,
      h('button', { class: 'wide', onclick: copyLink }, icon('link'), 'Copy the link to invite'),
    );
  }

  /** Reads the room again; nothing to do while the panel is closed. */
  update(): void {
    if (this.element.hidden) return;
    const people = [this.room.localParticipant, ...this.room.remoteParticipants.values()];
    this.list.replaceChildren(...people.map(person));
  }

  /** Puts the focus on the panel. */
  focus(): void {
    this.element.querySelector('button')?.focus();
  }
}

function person(participant: Participant): HTMLElement {
  const name = displayName(participant);
  const sharing = participant.getTrackPublication(Track.Source.ScreenShare)?.track;
  const states = [
    participant.isMicrophoneEnabled ? null : state('micOff', 'Microphone off'),
    participant.isCameraEnabled ? null : state('cameraOff', 'Camera off'),
    sharing ? state('screen', 'Shares the screen') : null,
  ];

  return h(
    'li',
    {},
    h('span', { class: 'avatar avatar-small', 'aria-hidden': 'true' }, initials(name)),
    h('span', { class: 'person-name' }, participant.isLocal ? `${name} (you)` : name),
    ...states,
  );
}

function state(name: 'micOff' | 'cameraOff' | 'screen', words: string): HTMLElement {
  return h(
    'span',
    { class: 'person-state', title: words, role: 'img', 'aria-label': words },
    icon(name),
  );
}
