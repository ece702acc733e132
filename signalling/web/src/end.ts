// The last screen: why the call is over, and the ways back.

import type { Advice } from './advice';
import { h } from './dom';

/** Makes the screen; the first button has the focus once it is shown. */
export function endScreen(advice: Advice, rejoin: () => void): HTMLElement {
  return h(
    'main',
    { class: 'end' },
    h(
      'section',
      { class: 'card', 'aria-labelledby': 'end-title' },
      h('h1', { id: 'end-title', tabindex: -1 }, advice.title),
      h('p', {}, advice.action),
      h('button', { class: 'primary', type: 'button', onclick: rejoin }, 'Rejoin'),
    ),
  );
}
