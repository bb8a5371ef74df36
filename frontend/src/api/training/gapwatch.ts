import { hasGap, type ViewerState } from "./reducer";

const GAP_MS = 1000;
const READ_EVERY_MS = 5000;

/** When a closing read is due: after a snapshot, or where a gap stood still for a second; at most one in five seconds. */
export class GapWatch {
  private closedSeq = -1;
  private since = 0;
  private readAt = Number.NEGATIVE_INFINITY;

  seen(state: ViewerState, now: number): void {
    if (hasGap(state) && state.closedSeq === this.closedSeq) return;
    this.closedSeq = hasGap(state) ? state.closedSeq : -1;
    this.since = now;
  }

  /** The snapshot of a new connection came: what it names is not on its way any more. */
  snapshotCame(): void {
    this.since -= GAP_MS;
  }

  read(now: number): void {
    this.readAt = now;
  }

  /** null where nothing is missing. */
  msUntilDue(now: number): number | null {
    return this.closedSeq < 0 ? null : Math.max(this.since + GAP_MS - now, this.readAt + READ_EVERY_MS - now, 0);
  }
}
