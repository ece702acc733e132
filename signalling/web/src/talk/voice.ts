// A voice that goes from one track to another: the new one plays before the old one stops.

import { h } from '../dom';

/** Milliseconds that a new track may take until it plays. */
const PLAY_WAIT_MS = 1_000;

/** Plays one track in a hidden element. */
export class Voice {
  readonly element = h('div', { hidden: true });
  private playing: HTMLAudioElement | null = null;
  private track: MediaStreamTrack | null = null;

  /** `blocked` is called when the browser wants a click before it plays sound. */
  constructor(private readonly blocked: () => void) {}

  /** Goes over to a track. */
  async play(track: MediaStreamTrack | null): Promise<void> {
    if (track === this.track) return;
    this.track = track;
    const audio = track ? await this.start(track) : null;
    if (this.track !== track) return audio?.remove();

    // In one turn: nobody hears both, nobody hears none.
    if (audio) audio.muted = false;
    this.playing?.remove();
    if (this.playing) this.playing.srcObject = null;
    this.playing = audio;
  }

  /** Plays what the browser held back; call it from a click. */
  async unblock(): Promise<void> {
    await this.playing?.play().catch(() => this.blocked());
  }

  /** Silent at first: its buffer fills while the old one is heard. */
  private async start(track: MediaStreamTrack): Promise<HTMLAudioElement> {
    const audio = h('audio', { autoplay: true });
    audio.muted = true;
    audio.srcObject = new MediaStream([track]);
    this.element.append(audio);
    const late = new Promise((resolve) => setTimeout(resolve, PLAY_WAIT_MS));
    const begun = audio.play().then(
      () => new Promise((resolve) => audio.addEventListener('timeupdate', resolve, { once: true })),
      () => this.blocked(),
    );
    await Promise.race([begun, late]);

    return audio;
  }
}
