// Somebody calls: the dialog that says who, and asks.

import { initials } from '../call/tile';
import type { Events } from '../calls';
import { h, uniqueId } from '../dom';
import { icon } from '../icons';

/** What a person does about a call that comes in. */
export interface Answering {
  accept(camera: boolean): void;
  decline(): void;
  /** Says that one is in another call. */
  busy(): void;
}

/** The dialog; a device that is in a call already asks whether to leave that one. */
export class IncomingDialog {
  readonly element: HTMLDialogElement;

  constructor(
    { from, video, participants }: Events['incoming'],
    act: Answering,
    private readonly inCall: boolean,
  ) {
    const id = uniqueId('incoming');
    const others = participants.filter(({ identity }) => identity !== from.identity);
    const words = [video ? 'Video call' : 'Call', ...others.map(({ name }) => `with ${name}`)];
    const name = from.name || from.identity;
    const accept = h('button', { class: 'answer', onclick: () => act.accept(video) });
    accept.append(icon(video ? 'camera' : 'phone'), this.inCall ? 'Hang up and accept' : 'Accept');
    const voice = h('button', { onclick: () => act.accept(false) }, icon('phone'));
    voice.append('Without camera');
    voice.hidden = !video;
    const no = this.inCall ? () => act.busy() : () => act.decline();
    const decline = h('button', { class: 'refuse', onclick: no }, icon('leave'));
    decline.append(this.inCall ? 'I am busy' : 'Decline');
    this.element = h(
      'dialog',
      { class: 'dialog incoming', 'aria-labelledby': id },
      h('span', { class: 'avatar', 'aria-hidden': 'true' }, initials(name)),
      h('h2', { id }, `${name} is calling`),
      h('p', { class: 'hint' }, words.join(' ')),
      h('div', { class: 'incoming-answers' }, decline, voice, accept),
    );
    // Escape would close the dialog and leave the other ringing.
    this.element.addEventListener('cancel', (event) => {
      event.preventDefault();
      no();
    });
  }

  open(): void {
    document.body.append(this.element);
    this.element.showModal();
    this.element.querySelector<HTMLElement>('.answer')?.focus();
  }

  close(): void {
    this.element.close();
    this.element.remove();
  }
}
