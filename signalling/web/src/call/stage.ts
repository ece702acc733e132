// The stage: which tiles are shown, where, and who is in front.

import { type Participant, type Room, Track } from 'livekit-client';
import { h } from '../dom';
import { choose, focus, grid, gridCapacity, stripCapacity, type Size } from './layout';
import { Tile, tileKey, type TileSource } from './tile';

/** How the stage is laid out: all alike, or the speaker large. */
export type Mode = 'grid' | 'speaker';

/** Arranges the participants' tiles and follows who speaks. */
export class Stage {
  readonly element = h('div', { class: 'stage', tabindex: -1, 'aria-label': 'Participants' });
  mode: Mode = 'grid';
  private readonly tiles = new Map<string, Tile>();
  private readonly more: HTMLButtonElement;
  private readonly observer = new ResizeObserver(() => this.layout());
  private readonly lastSpoke = new Map<string, number>();
  private speeches = 0;
  private pinned: string | null = null;
  private shown: string[] = [];

  constructor(
    private readonly room: Room,
    showPeople: () => void,
  ) {
    this.element.setAttribute('role', 'region');
    this.more = h('button', { class: 'tile tile-more', onclick: showPeople });
    this.more.hidden = true;
    this.element.append(this.more);
    this.observer.observe(this.element);
  }

  /** Makes tiles agree with the room: call it after anything changed there. */
  update = (): void => {
    const wanted = this.wanted();
    for (const [key, tile] of this.tiles) {
      if (wanted.get(key)?.participant === tile.participant) continue;
      tile.close();
      this.tiles.delete(key);
    }
    for (const [key, { participant, source }] of wanted) {
      if (!this.tiles.has(key)) this.add(new Tile(participant, source, this.togglePin));
    }
    if (this.pinned && !this.tiles.has(this.pinned)) this.pinned = null;
    for (const tile of this.tiles.values()) tile.update(tile.key === this.pinned);
    this.layout();
  };

  /** Notes who speaks: they come to the front when not everybody fits. */
  speaking(speakers: readonly Participant[]): void {
    for (const speaker of [...speakers].reverse()) {
      this.speeches += 1;
      this.lastSpoke.set(tileKey(speaker, Track.Source.Camera), this.speeches);
    }
    this.update();
  }

  /** Changes between the grid and the large speaker. */
  setMode(mode: Mode): void {
    this.mode = mode;
    this.pinned = null;
    this.update();
  }

  /** Lets all tiles go. */
  close(): void {
    this.observer.disconnect();
    for (const tile of this.tiles.values()) tile.close();
    this.tiles.clear();
  }

  private readonly togglePin = (key: string): void => {
    this.pinned = this.pinned === key ? null : key;
    this.update();
  };

  private add(tile: Tile): void {
    this.tiles.set(tile.key, tile);
    this.element.append(tile.element);
  }

  private wanted(): Map<string, { participant: Participant; source: TileSource }> {
    const wanted = new Map<string, { participant: Participant; source: TileSource }>();
    const people = [this.room.localParticipant, ...this.room.remoteParticipants.values()];
    for (const participant of people) {
      for (const source of [Track.Source.Camera, Track.Source.ScreenShare] as const) {
        const screen = source === Track.Source.ScreenShare;
        if (screen && !participant.getTrackPublication(source)?.track) continue;
        wanted.set(tileKey(participant, source), { participant, source });
      }
    }

    return wanted;
  }

  private layout(): void {
    const size = { width: this.element.clientWidth, height: this.element.clientHeight };
    if (size.width === 0 || size.height === 0) return;

    const main = this.mainKey();
    if (main) this.layoutFocus(main, size);
    else this.layoutGrid(size);
  }

  private layoutGrid(size: Size): void {
    const present = [...this.tiles.keys()];
    const capacity = gridCapacity(size);
    const crowded = present.length > capacity;
    this.shown = choose(this.shown, present, this.spoke(), crowded ? capacity - 1 : capacity);
    const rects = grid(this.shown.length + (crowded ? 1 : 0), size);
    for (const tile of this.tiles.values()) {
      tile.place(rects[this.shown.indexOf(tile.key)] ?? null, false);
    }
    this.placeMore(present.length - this.shown.length, rects[this.shown.length]);
  }

  private layoutFocus(main: string, size: Size): void {
    const others = [...this.tiles.keys()].filter((key) => key !== main);
    const capacity = stripCapacity(size);
    const crowded = others.length > capacity;
    const fits = crowded ? capacity - 1 : capacity;
    this.shown = choose(this.shown, others, this.spoke(), fits);
    const places = focus(this.shown.length + (crowded ? 1 : 0), size);
    for (const tile of this.tiles.values()) {
      const place = tile.key === main ? places.main : places.strip[this.shown.indexOf(tile.key)];
      tile.place(place ?? null, tile.key === main);
    }
    this.placeMore(others.length - this.shown.length, places.strip[this.shown.length]);
  }

  private placeMore(hidden: number, rect: ReturnType<typeof grid>[number] | undefined): void {
    this.more.hidden = hidden === 0 || !rect;
    if (!rect) return;

    this.more.textContent = `+${hidden} more`;
    this.more.setAttribute('aria-label', `${hidden} more people: show the list`);
    for (const side of ['left', 'top', 'width', 'height'] as const) {
      this.more.style[side] = `${Math.floor(rect[side])}px`;
    }
  }

  /** What is large: the pinned tile, else another's screen, else (by choice) the speaker. */
  private mainKey(): string | null {
    if (this.pinned) return this.pinned;
    const screens = [...this.tiles.values()].filter((t) => t.source === Track.Source.ScreenShare);
    const screen = screens.findLast((tile) => !tile.participant.isLocal) ?? null;
    if (screen) return screen.key;
    if (this.mode === 'grid' || this.tiles.size < 2) return null;

    const others = [...this.room.remoteParticipants.values()].map((p) =>
      tileKey(p, Track.Source.Camera),
    );
    const spoke = (key: string) => this.lastSpoke.get(key) ?? 0;

    return others.reduce<string | null>(
      (best, key) => (best === null || spoke(key) > spoke(best) ? key : best),
      null,
    );
  }

  /** One's own tile always keeps its place. */
  private spoke(): Map<string, number> {
    const spoke = new Map(this.lastSpoke);
    spoke.set(tileKey(this.room.localParticipant, Track.Source.Camera), Infinity);

    return spoke;
  }
}
