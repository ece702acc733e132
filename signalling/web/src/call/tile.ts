// One picture on the stage: a person's camera, or a shared screen.

import { ConnectionQuality, type Participant, Track, type TrackPublication } from 'livekit-client';
import { attribute, h } from '../dom';
import { icon } from '../icons';
import type { Rect } from './layout';

/** What a tile shows of its participant. */
export type TileSource = Track.Source.Camera | Track.Source.ScreenShare;

/** What part a tile plays on the stage. */
export type Role = 'grid' | 'main' | 'strip';

/** Makes the name under which the stage keeps a tile. */
export function tileKey(participant: Participant, source: TileSource): string {
  return `${participant.identity}/${source}`;
}

/** The name to show for a participant. */
export function displayName(participant: Participant): string {
  return participant.name || participant.identity;
}

/** A tile; it never moves in the document, since moving would stop its video. */
export class Tile {
  readonly element: HTMLElement;
  readonly key: string;
  private readonly video = h('video', { autoplay: true, playsinline: true });
  private readonly avatar = h('div', { class: 'avatar', 'aria-hidden': 'true' });
  private readonly label = h('span', { class: 'tile-name' });
  private readonly muteMark = h('span', { class: 'tile-mark' }, icon('micOff'));
  private readonly weakMark = h('span', { class: 'tile-mark tile-weak' }, icon('weak'));
  private readonly numbers = h('div', { class: 'tile-numbers' });
  private readonly pin: HTMLButtonElement;
  private attached: Track | null = null;
  private role: Role = 'grid';
  /** Whether the first of two clicks did something already. */
  private acted = false;

  constructor(
    readonly participant: Participant,
    readonly source: TileSource,
    private readonly togglePin: (key: string) => void,
  ) {
    this.key = tileKey(participant, source);
    this.video.muted = true;
    this.numbers.hidden = true;
    this.pin = h('button', { class: 'tile-pin', onclick: () => togglePin(this.key) }, icon('pin'));
    const foot = h('div', { class: 'tile-foot' }, this.muteMark, this.label, this.weakMark);
    this.element = h(
      'div',
      {
        class: 'tile',
        role: 'group',
        'data-identity': participant.identity,
        'data-source': source,
        onclick: (event: MouseEvent) => this.click(event),
      },
      this.avatar,
      this.video,
      foot,
      this.numbers,
      this.pin,
    );
    this.update(false);
  }

  /** What the participant publishes of it. */
  get publication(): TrackPublication | undefined {
    return this.participant.getTrackPublication(this.source);
  }

  /** What it plays. */
  get track(): Track | null {
    return this.attached;
  }

  /** The name on it. */
  get name(): string {
    return this.label.textContent;
  }

  /** Shows the participant's state as it is now. */
  update(pinned: boolean): void {
    const { participant } = this;
    const screen = this.source === Track.Source.ScreenShare;
    const name = displayName(participant);
    const muted = !participant.isMicrophoneEnabled;
    const weak = isWeak(participant.connectionQuality);

    this.attach(this.publication);
    this.label.textContent = screen
      ? `${name}’s screen`
      : participant.isLocal
        ? `${name} (you)`
        : name;
    this.avatar.textContent = initials(name);
    this.muteMark.hidden = screen || !muted;
    this.weakMark.hidden = screen || !weak;
    attribute(this.weakMark, 'title', 'Weak connection');
    attribute(this.element, 'aria-label', this.describe(muted, weak));
    attribute(this.element, 'data-name', name);
    attribute(this.element, 'data-muted', !screen && muted);
    attribute(this.element, 'data-speaking', !screen && participant.isSpeaking);
    attribute(this.pin, 'aria-pressed', String(pinned));
    const label = `${pinned ? 'Put back' : 'Enlarge'} ${this.label.textContent}`;
    attribute(this.pin, 'aria-label', label);
    attribute(this.pin, 'title', label);
  }

  /** Puts the tile at a place on the stage; `null` takes it off, which also saves its bandwidth. */
  place(rect: Rect | null, role: Role): void {
    this.role = role;
    this.element.hidden = rect === null;
    attribute(this.element, 'data-main', role === 'main');
    attribute(this.element, 'data-strip', role === 'strip');
    if (!rect) return;

    const { style } = this.element;
    style.left = `${Math.round(rect.left)}px`;
    style.top = `${Math.round(rect.top)}px`;
    style.width = `${Math.floor(rect.width)}px`;
    style.height = `${Math.floor(rect.height)}px`;
    attribute(this.element, 'data-small', rect.width < 180);
  }

  /** Writes lines of numbers over the picture; none takes them away. */
  note(lines: readonly string[]): void {
    this.numbers.hidden = lines.length === 0;
    this.numbers.replaceChildren(...lines.map((line) => h('div', {}, line)));
  }

  /** Lets the track go. */
  close(): void {
    this.attached?.detach(this.video);
    this.element.remove();
  }

  /** One click enlarges what is in the strip, two what is in the grid, and two put it back. */
  private click(event: MouseEvent): void {
    if (event.target instanceof Element && event.target.closest('button')) return;
    const acts = event.detail === 1 ? this.role === 'strip' : event.detail === 2 && !this.acted;
    this.acted = acts;
    if (acts) this.togglePin(this.key);
  }

  private attach(publication: TrackPublication | undefined): void {
    const track = publication?.isMuted ? null : (publication?.track ?? null);
    const showing = track !== null;
    this.video.hidden = !showing;
    this.avatar.hidden = showing;
    attribute(this.element, 'data-video', showing);
    const mirrored = this.participant.isLocal && this.source === Track.Source.Camera;
    this.video.classList.toggle('mirrored', mirrored);
    if (track === this.attached) return;

    this.attached?.detach(this.video);
    track?.attach(this.video);
    // Sound has elements of its own: attaching a stream's audio here would play it twice.
    this.video.muted = true;
    this.attached = track;
  }

  private describe(muted: boolean, weak: boolean): string {
    if (this.source === Track.Source.ScreenShare) return this.label.textContent ?? '';
    const parts = [this.label.textContent, muted && 'muted', weak && 'weak connection'];

    return parts.filter(Boolean).join(', ');
  }
}

function isWeak(quality: ConnectionQuality): boolean {
  return quality === ConnectionQuality.Poor || quality === ConnectionQuality.Lost;
}

/** Gives one or two letters that stand for a name. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/).filter(Boolean);
  const letters = [words[0], words.length > 1 ? words[words.length - 1] : ''];

  return letters
    .map((word) => [...(word ?? '')][0] ?? '')
    .join('')
    .toUpperCase();
}
