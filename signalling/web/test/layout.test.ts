import { describe, expect, test } from 'vitest';
import { choose, focus, grid, gridCapacity, stripCapacity, type Rect } from '../src/call/layout';

const DESK = { width: 1200, height: 700 };
const PHONE = { width: 344, height: 560 };

function inside(rect: Rect, stage: { width: number; height: number }): boolean {
  const right = rect.left + rect.width;
  const bottom = rect.top + rect.height;

  return rect.left > -1 && rect.top > -1 && right < stage.width + 1 && bottom < stage.height + 1;
}

function overlap(a: Rect, b: Rect): boolean {
  const apart =
    a.left + a.width <= b.left + 0.01 ||
    b.left + b.width <= a.left + 0.01 ||
    a.top + a.height <= b.top + 0.01 ||
    b.top + b.height <= a.top + 0.01;

  return !apart;
}

describe('the grid', () => {
  for (const stage of [DESK, PHONE]) {
    test(`keeps up to 25 tiles inside ${stage.width}x${stage.height}, none over another`, () => {
      for (let count = 1; count <= 25; count += 1) {
        const rects = grid(count, stage);

        expect(rects).toHaveLength(count);
        expect(rects.every((rect) => inside(rect, stage))).toBe(true);
        const pairs = rects.flatMap((a, i) => rects.slice(i + 1).map((b) => [a, b] as const));
        expect(pairs.some(([a, b]) => overlap(a, b))).toBe(false);
      }
    });
  }

  test('stacks two people on a phone and puts them side by side on a desk', () => {
    const [first, second] = grid(2, PHONE);
    expect(second?.top).toBeGreaterThan(first?.top ?? NaN);

    const [left, right] = grid(2, DESK);
    expect(right?.left).toBeGreaterThan(left?.left ?? NaN);
  });

  test('takes fewer tiles on a phone than on a desk', () => {
    expect(gridCapacity(PHONE)).toBeGreaterThanOrEqual(4);
    expect(gridCapacity(DESK)).toBeGreaterThan(gridCapacity(PHONE));
  });
});

describe('the large tile', () => {
  test('has its strip beside it on a desk, below it on a phone, always inside', () => {
    for (const stage of [DESK, PHONE]) {
      const { main, strip } = focus(stripCapacity(stage), stage);

      expect(inside(main, stage)).toBe(true);
      expect(strip.every((rect) => inside(rect, stage))).toBe(true);
      expect(strip.some((rect) => overlap(rect, main))).toBe(false);
    }
  });

  test('has the whole stage when nobody else is there', () => {
    expect(focus(0, DESK).main).toMatchObject(DESK);
  });
});

describe('who is on the stage', () => {
  const present = ['me', 'a', 'b', 'c', 'd'];

  test('everybody, when all fit', () => {
    expect(choose([], present, new Map(), 5)).toEqual(present);
  });

  test('a speaker takes the place of whoever was silent longest, the others stay', () => {
    const spoke = new Map([
      ['me', Infinity],
      ['a', 2],
      ['b', 1],
      ['d', 3],
    ]);

    expect(choose(['me', 'a', 'b'], present, spoke, 3)).toEqual(['me', 'a', 'd']);
  });

  test('nobody moves while only those on the stage speak', () => {
    const spoke = new Map([
      ['me', Infinity],
      ['b', 9],
    ]);

    expect(choose(['me', 'a', 'b'], present, spoke, 3)).toEqual(['me', 'a', 'b']);
  });

  test('a place that came free is taken by the latest speaker', () => {
    expect(choose(['me', 'gone', 'b'], present, new Map([['c', 4]]), 3)).toEqual(['me', 'b', 'c']);
  });
});
