import { describe, expect, test } from 'vitest';
import { Director, Floor, TAKE_MS, type Candidate } from '../src/call/director';

const camera = (key: string, own = false): Candidate => ({ key, screen: false, own });
const screen = (key: string, own = false): Candidate => ({ key, screen: true, own });
const CALL = [camera('me', true), camera('bob'), camera('cleo')];

describe('the floor', () => {
  test('is the first speaker’s at once', () => {
    const floor = new Floor();
    floor.heard(['bob'], 0);

    expect(floor.holder).toBe('bob');
    expect(floor.due()).toBeNull();
  });

  test('goes to another who speaks alone for a while, and not sooner', () => {
    const floor = new Floor();
    floor.heard(['bob'], 0);
    floor.heard(['cleo'], 100);

    expect(floor.due()).toBe(100 + TAKE_MS);
    expect(floor.settle(99 + TAKE_MS)).toBe(false);
    expect(floor.holder).toBe('bob');
    expect(floor.settle(100 + TAKE_MS)).toBe(true);
    expect(floor.holder).toBe('cleo');
    expect(floor.due()).toBeNull();
  });

  test('stays through a cough, an interruption and silence', () => {
    const floor = new Floor();
    floor.heard(['bob'], 0);
    for (const after of [['cleo'], [], ['cleo', 'bob'], ['bob'], []]) floor.heard(after, 50);

    expect(floor.settle(1_000_000)).toBe(false);
    expect(floor.holder).toBe('bob');
  });

  test('two who take turns begin anew each time', () => {
    const floor = new Floor();
    floor.heard(['bob'], 0);
    floor.heard(['cleo'], 0);
    floor.heard(['dan'], 1_000);

    expect(floor.settle(TAKE_MS)).toBe(false);
    expect(floor.settle(1_000 + TAKE_MS)).toBe(true);
    expect(floor.holder).toBe('dan');
  });
});

describe('the director', () => {
  test('begins with the grid; the speaker is large by choice', () => {
    const director = new Director();
    director.floor.heard(['cleo'], 0);
    expect(director.main(CALL)).toBeNull();

    director.toggle(CALL);
    expect(director.main(CALL)).toBe('cleo');
    director.toggle(CALL);
    expect(director.main(CALL)).toBeNull();
  });

  test('shows somebody before anybody has spoken, and when the speaker has left', () => {
    const director = new Director();
    director.toggle(CALL);
    expect(director.main(CALL)).toBe('bob');

    director.floor.heard(['gone'], 0);
    expect(director.main(CALL)).toBe('bob');
    expect(director.main([camera('me', true)])).toBeNull();
  });

  test('prefers another’s newest screen to the speaker, never one’s own', () => {
    const director = new Director();
    director.toggle(CALL);
    director.floor.heard(['cleo'], 0);

    expect(director.main([...CALL, screen('mine', true)])).toBe('cleo');
    expect(director.main([...CALL, screen('s1'), screen('s2')])).toBe('s2');
  });

  test('shows the grid in spite of a screen when asked, and the next screen again', () => {
    const director = new Director();
    const shared = [...CALL, screen('s1')];
    director.toggle(shared);
    expect(director.main(shared)).toBeNull();

    expect(director.main([...shared, screen('s2')])).toBe('s2');
    director.toggle(shared);
    expect(director.main(shared)).toBe('s1');
  });

  test('a screen that went and came back is large again', () => {
    const director = new Director();
    const shared = [...CALL, screen('s1')];
    director.toggle(shared);
    director.forget(CALL);

    expect(director.main(shared)).toBe('s1');
  });

  test('a pinned tile wins over everything until it is put back or leaves', () => {
    const director = new Director();
    const shared = [...CALL, screen('s1')];
    director.togglePin('bob');
    expect(director.main(shared)).toBe('bob');
    director.unpin();
    expect(director.main(shared)).toBe('s1');

    director.togglePin('bob');
    director.forget([camera('me', true)]);
    expect(director.isPinned('bob')).toBe(false);
  });
});
