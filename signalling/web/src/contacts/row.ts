// One contact: name, state, the two ways to call, and whether they may call.

import { initials } from '../call/tile';
import type { Contact } from '../calls';
import { attribute, h, uniqueId } from '../dom';
import { icon } from '../icons';
import { STATES } from './words';

/** What a row asks for. */
export interface RowActions {
  call(contact: Contact, video: boolean): void;
  block(contact: Contact, blocked: boolean): void;
}

/** A row; it stays in the document while the contact is known, so that it keeps the focus. */
export class ContactRow {
  readonly element: HTMLElement;
  private readonly avatar = h('span', { class: 'avatar avatar-small', 'aria-hidden': 'true' });
  private readonly name = h('span', { class: 'contact-name' });
  private readonly state = h('span', { class: 'contact-state' });
  private readonly audio: HTMLButtonElement;
  private readonly video: HTMLButtonElement;
  private readonly more: HTMLButtonElement;
  private readonly block: HTMLButtonElement;
  private readonly actions: HTMLElement;
  private blocked = false;

  constructor(
    private contact: Contact,
    act: RowActions,
  ) {
    const id = uniqueId('contact');
    const call = (video: boolean) => () => act.call(this.contact, video);
    this.audio = h('button', { class: 'round', onclick: call(false) }, icon('phone'));
    this.video = h('button', { class: 'round', onclick: call(true) }, icon('camera'));
    const toggle = () => this.toggle();
    this.more = h('button', { class: 'person-more', 'aria-controls': id, onclick: toggle });
    this.more.append(icon('more'));
    this.block = h('button', { onclick: () => act.block(this.contact, !this.blocked) });
    this.actions = h('div', { class: 'person-actions', id, role: 'group' }, this.block);
    this.actions.hidden = true;
    const words = h('span', { class: 'contact-words' }, this.name, this.state);
    this.element = h(
      'li',
      { class: 'contact', 'data-identity': contact.identity },
      h('div', { class: 'person' }, this.avatar, words, this.audio, this.video, this.more),
      this.actions,
    );
  }

  /** Shows the contact as it is now. */
  update(contact: Contact, blocked: boolean): void {
    this.contact = contact;
    this.blocked = blocked;
    const { name, state } = contact;
    this.avatar.textContent = initials(name);
    this.name.textContent = name;
    this.state.textContent = blocked ? 'Blocked' : STATES[state];
    attribute(this.element, 'data-state', state);
    attribute(this.element, 'data-blocked', blocked);
    for (const [button, words] of [
      [this.audio, `Call ${name}`],
      [this.video, `Call ${name} with video`],
      [this.more, `More about ${name}`],
    ] as const) {
      attribute(button, 'aria-label', words);
      attribute(button, 'title', words);
    }
    const callable = !blocked && state !== 'offline' && state !== 'do_not_disturb';
    this.audio.disabled = this.video.disabled = !callable;
    this.block.textContent = blocked ? `Unblock ${name}` : `Block ${name}`;
    this.block.classList.toggle('bad', !blocked);
    attribute(this.more, 'aria-expanded', String(!this.actions.hidden));
  }

  private toggle(): void {
    this.actions.hidden = !this.actions.hidden;
    attribute(this.more, 'aria-expanded', String(!this.actions.hidden));
  }
}
