// A question before something that cannot be taken back.

import { h, uniqueId } from '../dom';

/** What is asked, and what the button says that does it. */
export interface Question {
  title: string;
  yes: string;
}

/** Asks; gives `true` for yes, `false` for no, Escape, or a page that went on. */
export function confirm({ title, yes }: Question): Promise<boolean> {
  const id = uniqueId('question');
  const answer = (value: string) => () => dialog.close(value);
  const dialog = h(
    'dialog',
    { class: 'dialog question', 'aria-labelledby': id },
    h('h2', { id }, title),
    h(
      'div',
      { class: 'question-answers' },
      h('button', { onclick: answer('') }, 'Cancel'),
      h('button', { class: 'bad', onclick: answer('yes') }, yes),
    ),
  );

  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes');
    });
    document.querySelector('main')?.append(dialog);
    // The focus goes to the first button, which does nothing, and comes back by itself.
    dialog.showModal();
  });
}
