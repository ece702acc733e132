// Whether a direct path has been bad for so long that the server should take over. Pure.

/** Milliseconds for which every look must have been bad. */
export const BAD_MS = 5_000;
/** Milliseconds before the server is asked again. */
export const PAUSE_MS = 60_000;

const LOSS_MAX_PERCENT = 10;
const ROUND_TRIP_MAX_MS = 800;
/** What a picture needs at the least to be one, in bits per second. */
const PICTURE_MIN_BPS = 60_000;
/** Less than this is no bad line but none: to find another is ICE's business. */
const ALIVE_MIN_BPS = 1_000;

/** One look at a path; `null`: not known. */
export interface Look {
  loss_percent: number | null;
  roundTrip_ms: number | null;
  down_bps: number | null;
  /** What the browser believes that the path takes; a still picture needs less than it may. */
  up_estimate_bps: number | null;
  /** Whether a picture is sent. */
  picture: boolean;
}

/** Looks at a path about once a second. */
export class Health {
  private bad_since: number | null = null;
  private asked: number | null = null;

  /** Gives true when it is time to ask the server to take over; `now` in milliseconds. */
  look(now: number, look: Look): boolean {
    if (!isBad(look)) {
      this.bad_since = null;

      return false;
    }
    this.bad_since ??= now;
    const paused = this.asked !== null && now - this.asked < PAUSE_MS;
    if (paused || now - this.bad_since < BAD_MS) return false;

    this.asked = now;

    return true;
  }
}

function isBad(look: Look): boolean {
  const { loss_percent, roundTrip_ms, down_bps, up_estimate_bps, picture } = look;
  if (down_bps !== null && down_bps < ALIVE_MIN_BPS) return false;
  if ((loss_percent ?? 0) >= LOSS_MAX_PERCENT) return true;
  if ((roundTrip_ms ?? 0) >= ROUND_TRIP_MAX_MS) return true;

  return picture && up_estimate_bps !== null && up_estimate_bps < PICTURE_MIN_BPS;
}
