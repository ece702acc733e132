// The screen from which one calls: who is there, who called, and whether one wants to be called.

import type { Advice } from '../advice';
import type { Contact, Line, MissedCall, OwnSettings, Person } from '../calls';
import { attribute, h, uniqueId } from '../dom';
import { sentences } from '../notices';
import { ContactRow, type RowActions } from './row';

/** What the screen asks for. */
export interface ContactsActions extends RowActions {
  disturb(doNot: boolean): void;
  callBack(missed: MissedCall): void;
  dismiss(missed: MissedCall): void;
  rooms(): void;
  signOut(): void;
}

/** The contacts of whoever signed in. */
export class Contacts {
  readonly element: HTMLElement;
  private readonly title = h('h1', { tabindex: -1 }, 'Contacts');
  private readonly list = h('ul', { class: 'contacts-list', 'aria-label': 'Contacts' });
  private readonly empty = h('p', { class: 'hint' });
  private readonly missed = h('ul', { class: 'missed', 'aria-label': 'Missed calls' });
  private readonly problems = h('div', { class: 'problems', role: 'alert' });
  private readonly line = h('div', { class: 'banner', role: 'status' });
  private readonly disturb: HTMLInputElement;
  private readonly rows = new Map<string, ContactRow>();

  constructor(
    me: Person,
    private readonly actions: ContactsActions,
  ) {
    const id = uniqueId('disturb');
    const flip = () => actions.disturb(this.disturb.checked);
    this.disturb = h('input', { id, type: 'checkbox', role: 'switch', onchange: flip });
    const quiet = h('label', { for: id }, 'Do not disturb');
    this.line.hidden = true;
    const header = h(
      'header',
      { class: 'brand' },
      h('span', { class: 'logo' }),
      'Millrace',
      h('button', { class: 'plain brand-way', onclick: actions.rooms }, 'Join a room'),
    );
    const own = h(
      'div',
      { class: 'contacts-own' },
      h('p', {}, 'You are ', h('strong', {}, me.name || me.identity)),
      h('div', { class: 'check' }, this.disturb, quiet),
      h('button', { class: 'plain', onclick: actions.signOut }, 'Sign out'),
    );
    const card = h('section', { class: 'card contacts-card' }, this.title, own);
    card.append(this.line, this.problems, this.missed, this.list, this.empty);
    this.element = h('main', { class: 'lobby contacts' }, header, card);
  }

  /** Shows who is there. */
  people(contacts: readonly Contact[], own: OwnSettings): void {
    const sorted = [...contacts].sort(byState);
    for (const [identity, row] of this.rows) {
      if (sorted.some((contact) => contact.identity === identity)) continue;
      row.element.remove();
      this.rows.delete(identity);
    }
    sorted.forEach((contact, index) => {
      const row = this.rows.get(contact.identity) ?? new ContactRow(contact, this.actions);
      this.rows.set(contact.identity, row);
      row.update(contact, own.blocked.includes(contact.identity));
      // Only what is elsewhere is moved: a move takes the focus away.
      if (this.list.children[index] !== row.element) {
        this.list.insertBefore(row.element, this.list.children[index] ?? null);
      }
    });
    this.disturb.checked = own.do_not_disturb;
    this.empty.hidden = sorted.length > 0;
    this.empty.textContent = 'Nobody else is here. Whoever signs in appears by themselves.';
  }

  /** Shows who called in vain. */
  notices(missed: readonly MissedCall[]): void {
    this.missed.replaceChildren(...missed.map((one) => this.missedRow(one)));
  }

  /** Shows whether the server is there. */
  connection(line: Line): void {
    this.line.hidden = line === 'connected';
    this.line.textContent = line === 'connected' ? '' : 'Connecting to the server…';
    attribute(this.element, 'data-line', line);
  }

  /** Says what went wrong; the next one takes its place. */
  complain(advice: Advice | null): void {
    this.problems.replaceChildren(...(advice ? [problem(advice)] : []));
  }

  focus(): void {
    this.title.focus();
  }

  private missedRow(one: MissedCall): HTMLElement {
    const { name } = one.from;
    const at = new Date(one.at_ms);
    const time = h('time', { datetime: at.toISOString() }, sayTime(at));
    const back = h('button', { onclick: () => this.actions.callBack(one) }, 'Call back');
    const dismiss = () => this.actions.dismiss(one);
    const away = h('button', { class: 'plain', onclick: dismiss }, 'Dismiss');
    attribute(back, 'aria-label', `Call ${name} back`);
    attribute(away, 'aria-label', `Dismiss the missed call from ${name}`);
    const words = h('span', { class: 'contact-words' }, `Missed call from ${name}`, time);

    return h('li', { class: 'person', 'data-notice': one.notice }, words, back, away);
  }
}

const ORDER = ['online', 'busy', 'do_not_disturb', 'offline'];

function byState(a: Contact, b: Contact): number {
  const rank = ORDER.indexOf(a.state) - ORDER.indexOf(b.state);

  return rank || a.name.localeCompare(b.name) || a.identity.localeCompare(b.identity);
}

function sayTime(at: Date): string {
  const today = at.toDateString() === new Date().toDateString();

  return today ? at.toLocaleTimeString([], { timeStyle: 'short' }) : at.toLocaleString();
}

function problem(advice: Advice): HTMLElement {
  return h('div', { class: 'problem' }, ...sentences(advice));
}
