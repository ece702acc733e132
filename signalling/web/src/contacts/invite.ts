// Whom to call into a call that stands.

import { panelHead } from '../call/chat-panel';
import type { Contact } from '../calls';
import { h } from '../dom';
import { STATES } from './words';

/** Lets a person choose one of the contacts; gives `null` when none was chosen. */
export function chooseContact(contacts: readonly Contact[]): Promise<Contact | null> {
  return new Promise((resolve) => {
    const dialog = h('dialog', { class: 'dialog', 'aria-label': 'Invite somebody' });
    let chosen: Contact | null = null;
    const rows = contacts.map((contact) => {
      const press = () => {
        chosen = contact;
        dialog.close();
      };
      const name = h('span', { class: 'contact-name' }, contact.name);
      const state = h('span', { class: 'contact-state' }, STATES[contact.state]);

      return h('li', {}, h('button', { class: 'invite-row', onclick: press }, name, state));
    });
    const none = rows.length === 0 && h('p', { class: 'hint' }, 'Nobody else is online.');
    const list = h('ul', { class: 'contacts-list' }, ...rows);
    dialog.append(panelHead('Invite somebody', () => dialog.close()), list);
    if (none) dialog.append(none);
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(chosen);
    });
    document.querySelector('main')?.append(dialog);
    dialog.showModal();
  });
}
