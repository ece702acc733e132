// Whether a direct path has been bad for so long that the server should take over. Pure.

/** Milliseconds for which every look must have been bad. */
export const BAD_MS = 5_000;
/** Milliseconds before the server is asked again. */
export const PAUSE_MS = 60_000;

const LOSS_MAX_PERCENT = 10;
const ROUND_TRIP_MAX_MS = 800;
/** What a picture needs at the least to be one, in bits per second. */
const PICTURE_MIN_BPS = 40_000;

/** One look at a path; `null`: not known. */
export interface Look {
  loss_percent: number | null;
  roundTrip_ms: number | null;
  down_bps: number | null;
  /** Whether a picture should come. */
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

function isBad({ loss_percent, roundTrip_ms, down_bps, picture }: Look): boolean {
  if ((loss_percent ?? 0) >= LOSS_MAX_PERCENT) return true;
  if ((roundTrip_ms ?? 0) >= ROUND_TRIP_MAX_MS) return true;

  return picture && down_bps !== null && down_bps < PICTURE_MIN_BPS;
}
