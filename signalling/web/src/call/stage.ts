// The stage: which tiles are shown, where, and who is in front.

import { type Participant, type Room, Track } from 'livekit-client';
import { h } from '../dom';
import { Director, type Candidate } from './director';
import { choose, focus, grid, gridCapacity, stripCapacity, type Size } from './layout';
import { Tile, tileKey, type TileSource } from './tile';

/** Arranges the participants' tiles and follows who speaks. */
export class Stage {
  readonly element = h('div', { class: 'stage', tabindex: -1, 'aria-label': 'Participants' });
  private readonly director = new Director();
  private readonly tiles = new Map<string, Tile>();
  private readonly more: HTMLButtonElement;
  private readonly observer = new ResizeObserver(() => this.layout());
  private readonly lastSpoke = new Map<string, number>();
  private speeches = 0;
  private floorTimer: ReturnType<typeof setTimeout> | undefined;
  private shown: string[] = [];

  constructor(
    private readonly room: Room,
    showPeople: () => void,
    private readonly rearranged: () => void,
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
    this.director.forget(this.candidates());
    for (const tile of this.tiles.values()) tile.update(this.director.isPinned(tile.key));
    this.layout();
  };

  /** The tiles, shown or not. */
  all(): Iterable<Tile> {
    return this.tiles.values();
  }

  /** Whether something is large. */
  get focused(): boolean {
    return this.director.main(this.candidates()) !== null;
  }

  /** Notes who speaks: they come to the front when not everybody fits. */
  speaking(speakers: readonly Participant[]): void {
    for (const speaker of [...speakers].reverse()) {
      this.speeches += 1;
      this.lastSpoke.set(tileKey(speaker, Track.Source.Camera), this.speeches);
    }
    const others = speakers.filter((speaker) => !speaker.isLocal);
    const keys = others.map((speaker) => tileKey(speaker, Track.Source.Camera));
    this.director.floor.heard(keys, performance.now());
    this.settleFloor();
    this.update();
  }

  /** From something large to the grid, and from the grid to whoever speaks large. */
  toggleFocus(): void {
    this.director.toggle(this.candidates());
    this.update();
    this.rearranged();
  }

  /** Lets the pinned tile go. */
  unpin(): void {
    this.director.unpin();
    this.update();
    this.rearranged();
  }

  /** Lets all tiles go. */
  close(): void {
    clearTimeout(this.floorTimer);
    this.observer.disconnect();
    for (const tile of this.tiles.values()) tile.close();
    this.tiles.clear();
  }

  private readonly togglePin = (key: string): void => {
    this.director.togglePin(key);
    this.update();
    this.rearranged();
  };

  /** Asks again when whoever waits for the floor has spoken long enough. */
  private settleFloor(): void {
    clearTimeout(this.floorTimer);
    const due = this.director.floor.due();
    if (due === null) return;

    this.floorTimer = setTimeout(
      () => {
        if (this.director.floor.settle(performance.now())) this.update();
        else this.settleFloor();
      },
      Math.max(0, due - performance.now()),
    );
  }

  private candidates(): Candidate[] {
    return [...this.tiles.values()].map(({ key, source, participant }) => ({
      key,
      screen: source === Track.Source.ScreenShare,
      own: participant.isLocal,
    }));
  }

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

    const main = this.director.main(this.candidates());
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
      tile.place(rects[this.shown.indexOf(tile.key)] ?? null, 'grid');
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
      tile.place(place ?? null, tile.key === main ? 'main' : 'strip');
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

  /** One's own tile always keeps its place. */
  private spoke(): Map<string, number> {
    const spoke = new Map(this.lastSpoke);
    spoke.set(tileKey(this.room.localParticipant, Track.Source.Camera), Infinity);

    return spoke;
  }
}
