// What is kept of the switches from path to path, for whoever tests: `window.millrace.switches`.

import type { Via } from '../calls';

/** A switch, with the longest gap that a picture had, in milliseconds. */
export interface Switch {
  via: Via;
  epoch: number;
  reason: string;
  video_gap_ms: number | null;
}

/** Most switches that are kept. */
const SWITCHES_MAX = 64;

declare global {
  interface Window {
    millrace?: { switches: Switch[] };
  }
}

/** Keeps a switch. */
export function noteSwitch(one: Switch): void {
  window.millrace ??= { switches: [] };
  window.millrace.switches.push(one);
  window.millrace.switches.splice(0, window.millrace.switches.length - SWITCHES_MAX);
}
