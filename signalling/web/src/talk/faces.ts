// The stage of a talk: whose pictures are shown, and where.

import { focus, grid, type Rect, type Size } from '../call/layout';
import { h } from '../dom';
import { type Face, TalkTile } from './tile';

/** Arranges the tiles of everybody in the call. */
export class Faces {
  readonly element = h('div', {
    class: 'stage',
    role: 'region',
    tabindex: -1,
    'aria-label': 'Participants',
  });
  private readonly tiles = new Map<string, TalkTile>();
  private readonly observer = new ResizeObserver(() => this.layout());
  private faces: readonly Face[] = [];

  constructor() {
    this.observer.observe(this.element);
  }

  /** Shows these faces; gives the longest gap of those that went to another track. */
  async show(faces: readonly Face[]): Promise<number | null> {
    this.faces = faces;
    const keys = new Set(faces.map(keyOf));
    for (const [key, tile] of this.tiles) {
      if (keys.has(key)) continue;
      tile.close();
      this.tiles.delete(key);
    }
    const gaps = faces.map((face) => this.tile(face).update(face));
    this.layout();
    const known = (await Promise.all(gaps)).filter((gap) => gap !== null);

    return known.length > 0 ? Math.max(...known) : null;
  }

  close(): void {
    this.observer.disconnect();
    for (const tile of this.tiles.values()) tile.close();
  }

  private tile(face: Face): TalkTile {
    const key = keyOf(face);
    const tile = this.tiles.get(key) ?? new TalkTile(face);
    if (!this.tiles.has(key)) {
      this.tiles.set(key, tile);
      this.element.append(tile.element);
    }

    return tile;
  }

  private layout(): void {
    const size = { width: this.element.clientWidth, height: this.element.clientHeight };
    if (size.width === 0 || size.height === 0) return;

    arrange(this.faces, size).forEach((rect, index) => {
      const face = this.faces[index];
      if (face) this.tiles.get(keyOf(face))?.place(rect, face === mainOf(this.faces));
    });
  }
}

/** Gives each face its place: a screen or the only other one large, else all alike. */
export function arrange(faces: readonly Face[], size: Size): Rect[] {
  const main = mainOf(faces);
  if (!main) return grid(faces.length, size);

  const places = focus(faces.length - 1, size);
  let next = 0;

  return faces.map((face) => (face === main ? places.main : places.strip[next++] ?? places.main));
}

function mainOf(faces: readonly Face[]): Face | undefined {
  const screen = faces.find((face) => face.screen && !face.own) ?? faces.find((f) => f.screen);
  if (screen) return screen;
  const others = faces.filter((face) => !face.own);

  return others.length === 1 ? others[0] : undefined;
}

function keyOf({ identity, screen }: Face): string {
  return `${identity}/${screen}`;
}
