import type { Product } from "./contracts.gen";
import { GapWatch } from "./gapwatch";
import { hasGap, type ProductEnd, type ViewerState } from "./reducer";
import type { Api } from "./rest";

interface Store {
  readonly job: () => ViewerState;
  readonly ends: (seq: number, ends: readonly (readonly [number, ProductEnd])[]) => void;
}

/** Reads by REST the ends that the job has and the state has not, again and again for as long as one is missing. */
export class Closer {
  private readonly gap = new GapWatch();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private reading = false;
  /** Counts stops: an answer that was asked for before the last one is nobody's. */
  private life = 0;

  constructor(
    private readonly api: Api,
    private readonly jobId: string,
    private readonly store: Store,
  ) {}

  /** The state changed, `bySnapshot` at the start of a connection: what it names is not on its way any more. */
  changed(bySnapshot: boolean): void {
    this.gap.seen(this.store.job(), Date.now());
    if (bySnapshot) this.gap.snapshotCame();
    this.schedule();
  }

  stop(): void {
    this.life += 1;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.reading = false;
  }

  private schedule(): void {
    const wait = this.gap.msUntilDue(Date.now());
    if (wait === null || this.reading) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.read(), wait);
  }

  private async read(): Promise<void> {
    if (this.gap.msUntilDue(Date.now()) !== 0) return this.schedule();
    const life = this.life;
    this.reading = true;
    this.gap.read(Date.now());
    try {
      for (let full = true; full && hasGap(this.store.job()); ) {
        const page = await this.api.endsAfter(this.jobId, this.store.job().closedSeq);
        if (life !== this.life) return;
        this.store.ends(page.seq, page.items.flatMap(numbered));
        full = page.next !== null;
      }
    } catch {
      // The next one is due in a few seconds, and the socket tells the user what is wrong.
    }
    if (life !== this.life) return;
    this.reading = false;
    this.gap.seen(this.store.job(), Date.now());
    this.schedule();
  }
}

function numbered(product: Product): (readonly [number, ProductEnd])[] {
  const { seq, status } = product;
  return seq === null || status === "pending" ? [] : [[seq, { ...product, status }]];
}
