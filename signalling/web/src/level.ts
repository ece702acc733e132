// A bar that moves with the microphone's sound.

import { createAudioAnalyser, type LocalAudioTrack } from 'livekit-client';
import { h } from './dom';

/** Milliseconds between two readings. */
const PERIOD_MS = 80;

/** Shows how loud a microphone is, so that a person sees that it works. */
export class LevelMeter {
  readonly element: HTMLElement;
  private readonly bar = h('span', { class: 'level-bar' });
  private stop: (() => void) | null = null;

  constructor() {
    this.element = h(
      'div',
      {
        class: 'level',
        role: 'meter',
        'aria-label': 'Microphone level',
        'aria-valuemin': 0,
        'aria-valuemax': 100,
        'aria-valuenow': 0,
      },
      this.bar,
    );
  }

  /** Listens to a track from now on; `null` is silence. */
  watch(track: LocalAudioTrack | null): void {
    this.stop?.();
    this.stop = null;
    this.show(0);
    if (!track) return;

    const analyser = createAudioAnalyser(track);
    const timer = setInterval(() => this.show(analyser.calculateVolume()), PERIOD_MS);
    this.stop = () => {
      clearInterval(timer);
      void analyser.cleanup();
    };
  }

  private show(volume: number): void {
    const level = Math.min(1, volume * 1.6);
    this.bar.style.transform = `scaleX(${level.toFixed(3)})`;
    this.element.setAttribute('aria-valuenow', String(Math.round(level * 100)));
  }
}
