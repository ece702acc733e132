// Where each tile goes. Pure: sizes and names in, rectangles out.

/** A rectangle in CSS pixels from the stage's upper left corner. */
export interface Rect {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** The stage's size in CSS pixels. */
export interface Size {
  width: number;
  height: number;
}

/** Pixels between two tiles. */
export const GAP = 10;

/** Most tiles on the stage at once. */
export const TILES_MAX = 25;

const WIDEST = 16 / 9;
const TALLEST_ON_DESK = 4 / 3;
const TALLEST_ON_PHONE = 3 / 4;

/** Stages narrower than this, in CSS pixels, are phones. */
const PHONE_WIDTH = 600;

/** Gives `count` equal rectangles, as large as the stage allows, the last row centred. */
export function grid(count: number, stage: Size): Rect[] {
  const { columns, tile } = bestGrid(count, stage);
  const rows = Math.ceil(count / columns);
  const top = (stage.height - rows * tile.height - (rows - 1) * GAP) / 2;

  return Array.from({ length: count }, (_, index) => {
    const row = Math.floor(index / columns);
    const inRow = Math.min(columns, count - row * columns);
    const left = (stage.width - inRow * tile.width - (inRow - 1) * GAP) / 2;

    return {
      left: left + (index % columns) * (tile.width + GAP),
      top: top + row * (tile.height + GAP),
      ...tile,
    };
  });
}

/** Tells how many tiles a grid takes before they get too small to see a face. */
export function gridCapacity(stage: Size): number {
  const narrowest = stage.width < PHONE_WIDTH ? 130 : 200;
  let count = 1;
  while (count < TILES_MAX && bestGrid(count + 1, stage).tile.width >= narrowest) count += 1;

  return count;
}

/** One large rectangle, and a strip beside it (wide stage) or below it (tall stage). */
export function focus(count: number, stage: Size): { main: Rect; strip: Rect[] } {
  const wide = stage.width > stage.height;
  const tile = stripTile(stage);
  const main = { left: 0, top: 0, width: stage.width, height: stage.height };
  if (count === 0) return { main, strip: [] };

  if (wide) main.width -= tile.width + GAP;
  else main.height -= tile.height + GAP;

  const strip = Array.from({ length: count }, (_, index) => ({
    left: wide ? main.width + GAP : index * (tile.width + GAP),
    top: wide ? index * (tile.height + GAP) : main.height + GAP,
    ...tile,
  }));

  return { main, strip };
}

/** Tells how many tiles fit the strip beside a large one. */
export function stripCapacity(stage: Size): number {
  const tile = stripTile(stage);
  const wide = stage.width > stage.height;
  const room = wide ? stage.height / (tile.height + GAP) : stage.width / (tile.width + GAP);

  return Math.max(1, Math.min(TILES_MAX, Math.floor(room + GAP / tile.width)));
}

/**
 * Chooses who is on the stage when not everybody fits. Tiles that are there stay in their places;
 * a speaker takes the place of whoever has been silent longest.
 */
export function choose(
  before: readonly string[],
  present: readonly string[],
  lastSpoke: ReadonlyMap<string, number>,
  capacity: number,
): string[] {
  if (present.length <= capacity) return [...present];

  const spoke = (key: string) => lastSpoke.get(key) ?? 0;
  const shown = before.filter((key) => present.includes(key)).slice(0, capacity);
  const waiting = present.filter((key) => !shown.includes(key));
  waiting.sort((a, b) => spoke(b) - spoke(a));
  while (shown.length < capacity && waiting.length > 0) shown.push(waiting.shift() as string);

  for (const key of waiting) {
    const quietest = shown.reduce((least, other) => (spoke(other) < spoke(least) ? other : least));
    if (spoke(key) <= spoke(quietest)) break;
    shown[shown.indexOf(quietest)] = key;
  }

  return shown;
}

function bestGrid(count: number, stage: Size): { columns: number; tile: Size } {
  const tallest = stage.width < PHONE_WIDTH ? TALLEST_ON_PHONE : TALLEST_ON_DESK;
  let best = { columns: 1, tile: { width: 0, height: 0 } };
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const cell = {
      width: Math.max(0, (stage.width - GAP * (columns - 1)) / columns),
      height: Math.max(0, (stage.height - GAP * (rows - 1)) / rows),
    };
    const tile = {
      width: Math.min(cell.width, cell.height * WIDEST),
      height: Math.min(cell.height, cell.width / tallest),
    };
    if (tile.width * tile.height > best.tile.width * best.tile.height) best = { columns, tile };
  }

  return best;
}

function stripTile(stage: Size): Size {
  const third = Math.floor((stage.width - 2 * GAP) / 3);
  const wide = stage.width > stage.height;
  const width = wide ? clamp(stage.width / 5, 120, 240) : clamp(third, 96, 160);

  return { width, height: width / WIDEST };
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value));
}
