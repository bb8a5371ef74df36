const BASE_MS = 250;
const CAP_MS = 10_000;

/** Full jitter: each pause is uniform below a doubling bound. After a quiet while the next trouble is a new one. */
export class Backoff {
  private tries = 0;
  private lostAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly chance: () => number = Math.random) {}

  pauseMs(now: number): number {
    this.tries = now - this.lostAt < 2 * CAP_MS ? this.tries + 1 : 0;
    this.lostAt = now;
    return this.chance() * Math.min(CAP_MS, BASE_MS * 2 ** this.tries);
  }
}
