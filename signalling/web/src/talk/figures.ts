// Figures of the present path: for the badge, for whoever tests, and for the route's health.

import { type Entry, incoming, path, together, type Path as Line } from '../call/measure';
import { bits } from '../call/measure';
import { Health, type Look } from './health';
import type { Path } from './path';

/** Milliseconds between two looks. */
const PERIOD_MS = 1_000;

/** How media goes, in words for people. */
export type Way = 'direct' | 'turn' | 'server';

/** What the badge says. */
export interface Figures extends Line {
  kind: Way;
}

/** Looks at the present path once a second. */
export class Measuring {
  private readonly health = new Health();
  private before: Entry[][] = [];
  private measured: Path | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** `present` gives the path to measure; `bad` is called when a direct one stays bad. */
  constructor(
    private readonly present: () => Path | null,
    private readonly told: (figures: Figures | null) => void,
    private readonly bad: () => void,
  ) {
    this.timer = setTimeout(this.look, PERIOD_MS);
  }

  close(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private readonly look = async (): Promise<void> => {
    const present = this.present();
    if (present !== this.measured) this.before = [];
    this.measured = present;
    const now = present ? await present.reports() : [];
    if (this.timer === undefined) return;

    this.timer = setTimeout(this.look, PERIOD_MS);
    if (!present || present !== this.present()) return this.told(null);
    const line = together(now.map((entries, index) => path(entries, this.before[index] ?? [])));
    this.told({ ...line, kind: kindOf(present, line) });
    const look = lookAt(present, line, now.flat(), this.before.flat());
    if (present.via === 'direct' && this.health.look(performance.now(), look)) this.bad();
    this.before = now;
  };
}

/** Says the figures in one short line, under the badge's name. */
export function figuresLine({ roundTrip_ms, down_bps }: Figures): string {
  const trip = roundTrip_ms === null ? '–' : `${Math.round(roundTrip_ms)} ms`;

  return `${trip} · ${bits(down_bps)}`;
}

function kindOf({ via }: Path, line: Line): Way {
  if (via === 'server') return 'server';

  return line.way?.includes('relay') ? 'turn' : 'direct';
}

function lookAt(present: Path, line: Line, now: Entry[], before: Entry[]): Look {
  const remotes = [...present.people().values()].flatMap((remote) => Object.values(remote));
  const losses = remotes.map(({ track }) => incoming(now, before, track.id, [])?.loss_percent);
  const known = losses.filter((loss) => typeof loss === 'number');
  const estimates = now
    .filter(({ type }) => type === 'candidate-pair')
    .map(({ availableOutgoingBitrate }) => availableOutgoingBitrate)
    .filter((bitrate) => typeof bitrate === 'number');

  return {
    loss_percent: known.length > 0 ? Math.max(...known) : null,
    roundTrip_ms: line.roundTrip_ms,
    down_bps: line.down_bps,
    up_estimate_bps: estimates.length > 0 ? Math.max(...estimates) : null,
    picture: now.some(({ type, kind }) => type === 'outbound-rtp' && kind === 'video'),
  };
}
