// The chat beside the stage.

import { h, uniqueId } from '../dom';
import { icon } from '../icons';
import { splitLinks, TEXT_MAX, type ChatLine } from './chat';

/** Most messages kept on screen. */
const LINES_MAX = 500;

/** Shows the messages and takes new ones. */
export class ChatPanel {
  readonly element: HTMLElement;
  private readonly log = h('ol', {
    class: 'chat-log',
    role: 'log',
    tabindex: 0,
    'aria-label': 'Messages',
  });
  private readonly empty = h(
    'p',
    { class: 'hint' },
    'Messages reach everybody who is in the call now.',
  );
  private readonly input: HTMLTextAreaElement;
  private readonly failure = h('p', { class: 'chat-failure', role: 'alert' });

  /** `send` rejects when a message could not be sent. */
  constructor(
    private readonly send: (text: string) => Promise<void>,
    close: () => void,
  ) {
    const id = uniqueId('message');
    this.input = h('textarea', {
      id,
      rows: 2,
      maxlength: TEXT_MAX,
      placeholder: 'Write a message',
      onkeydown: (event: KeyboardEvent) => this.key(event),
    });
    const form = h(
      'form',
      { class: 'chat-form', onsubmit: (event: Event) => this.submit(event) },
      h('label', { class: 'sr-only', for: id }, 'Message'),
      this.input,
      h(
        'button',
        { class: 'round', type: 'submit', 'aria-label': 'Send', title: 'Send' },
        icon('send'),
      ),
    );
    this.element = h(
      'section',
      { class: 'panel', 'aria-label': 'Chat' },
      panelHead('Chat', close),
      this.empty,
      this.log,
      this.failure,
      form,
    );
  }

  /** Adds a message at the end, and scrolls to it if the reader is there. */
  add(line: ChatLine): void {
    const atEnd = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 80;
    const time = line.at.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
    const own = line.from?.isLocal ?? false;
    this.empty.hidden = true;
    this.log.append(
      h(
        'li',
        { class: own ? 'message message-own' : 'message' },
        h(
          'div',
          { class: 'message-head' },
          h('strong', {}, own ? 'You' : line.sender),
          h('time', { datetime: line.at.toISOString() }, time),
        ),
        h('div', { class: 'message-text' }, ...linked(line.text)),
      ),
    );
    while (this.log.childElementCount > LINES_MAX) this.log.firstElementChild?.remove();
    if (atEnd || own) this.log.scrollTop = this.log.scrollHeight;
  }

  /** Puts the cursor where one writes. */
  focus(): void {
    this.log.scrollTop = this.log.scrollHeight;
    this.input.focus();
  }

  private key(event: KeyboardEvent): void {
    const sends = event.key === 'Enter' && !event.shiftKey && !event.isComposing;
    if (sends) void this.submit(event);
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    const text = this.input.value.trim();
    if (!text) return;

    this.input.value = '';
    this.failure.textContent = '';
    try {
      await this.send(text);
    } catch {
      this.input.value = text;
      this.failure.textContent = 'Not sent: the connection is away. Send it again when it is back.';
    }
  }
}

/** A panel's title with a button that closes it. */
export function panelHead(title: string, close: () => void): HTMLElement {
  const label = `Close ${title.toLowerCase()}`;

  return h(
    'header',
    { class: 'panel-head' },
    h('h2', {}, title),
    h(
      'button',
      { class: 'plain', 'aria-label': label, title: label, onclick: close },
      icon('close'),
    ),
  );
}

function linked(text: string): Node[] {
  return splitLinks(text).map(({ text: words, href }) =>
    href
      ? h('a', { href, target: '_blank', rel: 'noopener noreferrer' }, words)
      : document.createTextNode(words),
  );
}
