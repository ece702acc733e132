// The statistics over the call: asked for once a second, and only while they are shown.

import type { Room, TrackPublication } from 'livekit-client';
import { attribute, h } from '../dom';
import { icon } from '../icons';
import type { Notices } from '../notices';
import {
  type Entry,
  incoming,
  type Layer,
  outgoing,
  path,
  pathLine,
  type Picture,
  pictureLines,
  readReports,
  together,
} from './measure';
import type { Tile } from './tile';

/** Milliseconds between two reports. */
const PERIOD_MS = 1_000;

/** By the protocol's VideoQuality. */
const LAYER_NAMES = ['low', 'medium', 'high'];

/** A line above the stage about the connection, and numbers on each tile. */
export class Statistics {
  readonly element: HTMLElement;
  /** Shows and hides it. */
  readonly opener: HTMLButtonElement;
  private readonly overall = h('p', { class: 'statistics-line' }, 'Measuring…');
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** Grows when it is shown or hidden, so that a report that comes late is left out. */
  private showing = 0;
  private before: Entry[][] = [];
  private lines: string[] = [];

  constructor(
    private readonly room: Room,
    private readonly tiles: () => Iterable<Tile>,
    private readonly notices: Notices,
  ) {
    this.opener = h(
      'button',
      { class: 'plain', title: 'Statistics', 'aria-label': 'Statistics', onclick: this.toggle },
      icon('chart'),
    );
    const copy = h('button', { class: 'plain', onclick: () => void this.copy() }, 'Copy as text');
    this.element = h('section', { class: 'statistics' }, this.overall, copy);
    attribute(this.element, 'aria-label', 'Statistics');
    this.element.hidden = true;
    this.paintOpener();
  }

  /** Shows the numbers, or puts them away. */
  readonly toggle = (): void => {
    this.close();
    this.element.hidden = !this.element.hidden;
    this.paintOpener();
    this.notices.say(this.element.hidden ? 'Statistics hidden.' : 'Statistics shown.');
    if (!this.element.hidden) void this.measure(this.showing);
  };

  /** Stops measuring. */
  close(): void {
    this.showing += 1;
    clearTimeout(this.timer);
    this.before = [];
    this.overall.textContent = 'Measuring…';
    for (const tile of this.tiles()) tile.note([]);
  }

  private async measure(showing: number): Promise<void> {
    const now = await this.reports();
    if (showing !== this.showing) return;

    this.paint(now, this.before);
    this.before = now;
    this.timer = setTimeout(() => void this.measure(showing), PERIOD_MS);
  }

  private reports(): Promise<Entry[][]> {
    const peers = this.room.engine.pcManager;

    return readReports([peers?.subscriber, peers?.publisher]);
  }

  private paint(now: Entry[][], before: Entry[][]): void {
    const paths = now.map((entries, index) => path(entries, before[index] ?? []));
    this.overall.textContent = pathLine(together(paths));
    this.lines = [this.overall.textContent];
    for (const tile of this.tiles()) {
      const picture = tile.element.hidden ? null : picturedBy(tile, now.flat(), before.flat());
      const lines = picture ? pictureLines(picture) : [];
      tile.note(lines);
      if (picture) this.lines.push(`${tile.name}: ${lines.join(', ')}`);
    }
  }

  private paintOpener(): void {
    attribute(this.opener, 'aria-pressed', String(!this.element.hidden));
  }

  private async copy(): Promise<void> {
    const head = `Millrace, room ${this.room.name}, ${new Date().toISOString()}`;
    try {
      await navigator.clipboard.writeText([head, ...this.lines, ''].join('\n'));
      this.notices.tell('The statistics are copied.');
    } catch {
      const action = 'Allow it for this page, or take a picture of the screen.';
      this.notices.warn({ title: 'The browser did not let us copy.', action });
    }
  }
}

function picturedBy(tile: Tile, now: Entry[], before: Entry[]): Picture | null {
  const track = tile.track?.mediaStreamTrack;
  if (!track) return null;
  if (tile.participant.isLocal) return outgoing(now, before, track.id);

  return incoming(now, before, track.id, layersOf(tile.publication));
}

function layersOf(publication: TrackPublication | undefined): Layer[] {
  const layers = publication?.trackInfo?.layers ?? [];

  return layers.map(({ quality, height }) => ({ name: LAYER_NAMES[quality] ?? 'other', height }));
}
