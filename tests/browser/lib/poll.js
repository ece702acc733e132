// Waiting for what must become true, without sleeping for a guess.

import { setTimeout as pause } from 'node:timers/promises';

/** Milliseconds in which a condition must come true: this machine may be busy. */
export const PATIENCE_MS = Number(process.env.MILLRACE_PATIENCE_MS ?? 40_000);

/** Calls `probe` until it gives something truthy, which is returned; fails naming `what`. */
export async function until(what, probe, patience = PATIENCE_MS) {
  const end = Date.now() + patience;
  let last;
  while (Date.now() < end) {
    try {
      last = await probe();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    await pause(150);
  }

  const seen = last instanceof Error ? last.message : JSON.stringify(last);
  throw new Error(`waited ${patience} ms in vain for: ${what} (last seen: ${seen})`);
}
