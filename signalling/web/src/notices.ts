// What the page says: to everybody in words on screen, to screen readers by live regions.

import type { Advice } from './advice';
import { h } from './dom';
import { icon } from './icons';

/** Milliseconds that a passing notice stays. */
const TOAST_MS = 6_000;

/** Most notices on screen at once. */
const TOASTS_MAX = 3;

/** Says things politely to screen readers, and shows passing notices. */
export class Notices {
  readonly element: HTMLElement;
  private readonly live = h('div', { class: 'sr-only', role: 'status', 'aria-live': 'polite' });
  private readonly alerts = h('div', { class: 'sr-only', role: 'alert' });
  private readonly toasts = h('div', { class: 'toasts' });

  constructor() {
    this.element = h('div', { class: 'notices' }, this.live, this.alerts, this.toasts);
  }

  /** Tells screen readers only: the screen shows it already. */
  say(text: string): void {
    speak(this.live, text);
  }

  /** Tells everybody, in passing. */
  tell(text: string): void {
    this.say(text);
    this.toast(h('div', { class: 'toast' }, text));
  }

  /** Tells everybody at once that something failed and what to do. */
  warn(advice: Advice): void {
    speak(this.alerts, `${advice.title} ${advice.action}`);
    this.toast(h('div', { class: 'toast toast-bad' }, ...sentences(advice)));
  }

  private toast(toast: HTMLElement): void {
    const close = () => toast.remove();
    toast.append(
      h('button', { class: 'toast-close', 'aria-label': 'Close', onclick: close }, icon('close')),
    );
    this.toasts.append(toast);
    while (this.toasts.childElementCount > TOASTS_MAX) this.toasts.firstElementChild?.remove();
    setTimeout(close, TOAST_MS);
  }
}

/** Gives an advice as a strong sentence and a plain one. */
export function sentences(advice: Advice): HTMLElement[] {
  return [h('p', {}, h('strong', {}, advice.title), ' ', advice.action)];
}

/** A fresh paragraph each time: the same words twice are read twice. */
function speak(region: HTMLElement, text: string): void {
  const line = h('p', {}, text);
  region.append(line);
  setTimeout(() => line.remove(), TOAST_MS);
}
