/** Products a second and the time left, from how many ended when. Pure: the caller brings the clock, in seconds. */
const WINDOW_SECONDS = 30;
const MIN_SECONDS = 0.5; // a rate over less than this is noise
const SAY_AFTER_PRODUCTS = 10;
const SAY_AFTER_SHARE = 0.05;

export interface Pace {
  readonly points: readonly (readonly [seconds: number, ended: number])[];
  readonly moving: boolean;
}

export const NO_PACE: Pace = { points: [], moving: false };

export function paceAt(pace: Pace, now: number, ended: number): Pace {
  let { points, moving } = pace;
  const first = points[0];
  if (!moving && first && ended > first[1]) {
    // Counted from the first product's end: what came before it was start-up.
    moving = true;
    points = [];
  }
  const last = points.at(-1);
  if (last && (last[1] === ended || now - last[0] < WINDOW_SECONDS / 256)) return { points, moving };
  const recent = points.filter((_, i) => now - (points[i + 1]?.[0] ?? now) <= WINDOW_SECONDS);
  return { points: [...recent, [now, ended]], moving };
}

/** null as long as nothing can be said. */
export function perSecond({ points }: Pace, now: number, ended: number): number | null {
  const first = points[0];
  if (!first || now - first[0] < MIN_SECONDS) return null;
  return (ended - first[1]) / (now - first[0]) || null;
}

/** null before 10 products or 5 % have ended. */
export function secondsLeft(pace: Pace, now: number, ended: number, total: number | null): number | null {
  const rate = perSecond(pace, now, ended);
  if (rate === null || total === null) return null;
  if (ended < SAY_AFTER_PRODUCTS && ended < total * SAY_AFTER_SHARE) return null;
  return Math.max(0, total - ended) / rate;
}
