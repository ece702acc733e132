// Who is large on the stage, and when that changes. Pure: names and times in, a name out.

/** How the stage is laid out by choice: all alike, or whoever speaks large. */
export type Mode = 'grid' | 'speaker';

/** What the choice depends on, in the order in which the tiles came. */
export interface Candidate {
  key: string;
  /** Whether it is a shared screen. */
  screen: boolean;
  /** Whether it is one's own. */
  own: boolean;
}

/** Milliseconds for which somebody must speak alone to be large: a cough is no speech. */
export const TAKE_MS = 1_200;

/** Keeps whoever speaks, until another has spoken alone for a while. */
export class Floor {
  /** Who has the floor. */
  holder: string | null = null;
  private rival: string | null = null;
  private since = 0;

  /** Notes who speaks at `now` (milliseconds), the loudest first. */
  heard(speakers: readonly string[], now: number): void {
    const loudest = speakers[0] ?? null;
    if (this.holder === null) this.holder = loudest;
    const rival = this.holder !== null && speakers.includes(this.holder) ? null : loudest;
    if (rival !== this.rival) this.since = now;
    this.rival = rival;
  }

  /** Gives the floor to whoever has spoken alone long enough by `now`; tells whether it moved. */
  settle(now: number): boolean {
    const due = this.due();
    if (due === null || now < due) return false;
    this.holder = this.rival;
    this.rival = null;

    return true;
  }

  /** When to settle, in milliseconds; `null` when nobody waits. */
  due(): number | null {
    return this.rival === null ? null : this.since + TAKE_MS;
  }
}

/** Chooses what is large: the pinned tile, else another's screen, else (by choice) the speaker. */
export class Director {
  readonly floor = new Floor();
  private mode: Mode = 'grid';
  private pinned: string | null = null;
  /** Screens that were there when a person asked for the grid. */
  private readonly dismissed = new Set<string>();

  /** Tells whether a tile is pinned. */
  isPinned(key: string): boolean {
    return this.pinned === key;
  }

  /** Forgets what is not there any more. */
  forget(tiles: readonly Candidate[]): void {
    const there = new Set(tiles.map(({ key }) => key));
    if (this.pinned !== null && !there.has(this.pinned)) this.pinned = null;
    for (const key of this.dismissed) if (!there.has(key)) this.dismissed.delete(key);
  }

  /** Pins a tile, or lets the pinned one go. */
  togglePin(key: string): void {
    this.pinned = this.pinned === key ? null : key;
  }

  /** Lets the pinned tile go, if there is one. */
  unpin(): void {
    this.pinned = null;
  }

  /** From something large to the grid, and from the grid to whoever speaks large. */
  toggle(tiles: readonly Candidate[]): void {
    const large = this.main(tiles) !== null;
    this.pinned = null;
    this.mode = large ? 'grid' : 'speaker';
    this.dismissed.clear();
    if (!large) return;

    for (const { key, screen } of tiles) if (screen) this.dismissed.add(key);
  }

  /** Gives what is large; `null`: all are alike. */
  main(tiles: readonly Candidate[]): string | null {
    if (tiles.some(({ key }) => key === this.pinned)) return this.pinned;
    const screens = tiles.filter((t) => t.screen && !t.own && !this.dismissed.has(t.key));
    const newest = screens[screens.length - 1];
    if (newest) return newest.key;
    if (this.mode === 'grid') return null;

    const others = tiles.filter((t) => !t.screen && !t.own);
    const speaker = others.find(({ key }) => key === this.floor.holder) ?? others[0];

    return speaker?.key ?? null;
  }
}
