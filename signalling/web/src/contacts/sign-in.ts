// Signing in for calls: by a name where the server gives tokens to guests, else by a link.

import { cleanName, NAME_MAX } from '../address';
import type { Advice } from '../advice';
import { h, uniqueId } from '../dom';
import { sentences } from '../notices';
import type { Settings } from '../store';

/** The screen before the contacts. */
export class SignIn {
  readonly element: HTMLElement;
  private readonly name: HTMLInputElement;
  private readonly problems = h('div', { class: 'problems', role: 'alert' });
  private readonly button = h('button', { class: 'primary', type: 'submit' }, 'Sign in');

  /** `enter` is called with the name; it rejects after `complain` was told why. */
  constructor(
    private readonly settings: Settings,
    private readonly enter: (name: string) => Promise<void>,
    rooms: () => void,
  ) {
    const id = uniqueId('name');
    const field = { id, name: 'name', placeholder: 'Your name', maxlength: NAME_MAX };
    this.name = h('input', { ...field, autocomplete: 'off' });
    this.name.value = settings.name;
    const hint = 'Others call you by this name, and it rings wherever you signed in with it.';
    const form = h(
      'form',
      { class: 'card contacts-card', onsubmit: (event: Event) => void this.submit(event) },
      h('h1', { tabindex: -1 }, 'Sign in for calls'),
      this.problems,
      h('div', { class: 'field' }, h('label', { for: id }, 'Your name'), this.name),
      this.button,
      h('p', { class: 'hint' }, hint),
    );
    const way = h('button', { class: 'plain brand-way', onclick: rooms }, 'Join a room');
    const header = h('header', { class: 'brand' }, h('span', { class: 'logo' }), 'Millrace', way);
    this.element = h('main', { class: 'lobby contacts' }, header, form);
  }

  complain(advice: Advice): void {
    this.problems.replaceChildren(h('div', { class: 'problem' }, ...sentences(advice)));
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    const name = cleanName(this.name.value);
    if (!name) {
      this.complain({ title: 'Something is missing.', action: 'Enter your name.' });

      return this.name.focus();
    }
    this.settings.name = name;
    this.button.disabled = true;
    try {
      await this.enter(name);
    } catch {
      this.button.disabled = false;
    }
  }
}
