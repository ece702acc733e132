// Single keys for what one does often in a call.

import { h } from '../dom';
import type { Settings } from '../store';

/** A key and what it does. */
export interface Shortcut {
  key: string;
  words: string;
  run: () => void;
}

/** Listens for the keys until `stop`; never while one writes, nor with a modifier held. */
export class Shortcuts {
  constructor(
    private readonly settings: Settings,
    readonly all: readonly Shortcut[],
  ) {
    document.addEventListener('keydown', this.press);
  }

  /** Stops listening. */
  stop(): void {
    document.removeEventListener('keydown', this.press);
  }

  /** Gives the list for the help. */
  describe(): HTMLElement {
    const rows = this.all.map(({ key, words }) =>
      h('div', {}, h('dt', {}, h('kbd', {}, cap(key))), h('dd', {}, words)),
    );

    return h('dl', { class: 'shortcuts' }, ...rows);
  }

  private readonly press = (event: KeyboardEvent): void => {
    if (!this.settings.singleKeys || isTaken(event)) return;
    const shortcut = this.all.find(({ key }) => key.toLowerCase() === event.key.toLowerCase());
    if (!shortcut) return;

    event.preventDefault();
    shortcut.run();
  };
}

/** What is printed on the key. */
function cap(key: string): string {
  return key === 'Escape' ? 'Esc' : key.toUpperCase();
}

function isTaken(event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return true;
  if (document.querySelector('dialog[open]')) return true;
  const target = event.target;

  return target instanceof Element && target.closest('input, textarea, select') !== null;
}
