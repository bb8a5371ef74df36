/** Consistent histories of one job, as the store would write them: the oracle for what a viewer is told. */
import fc from "fast-check";
import type { Frame, JobState, ProductFailure, SnapshotFrame, Stage } from "../src/api/training/contracts.gen";
import { MAX_FAILURES } from "../src/api/training/contracts.gen";
import type { ProductEnd } from "../src/api/training/reducer";

const PLACE = { job_id: "job-1", tenant_id: "corner-bakery", time: "2024-02-05T12:00:00Z" };

export class SimulatedJob {
  readonly frames: Frame[] = [];
  /** `snapshots[seq - 1]` is what the store said at that number. */
  readonly snapshots: SnapshotFrame[] = [];
  readonly ends: [number, ProductEnd][] = [];
  private readonly failures: ProductFailure[] = [];
  private state: JobState = "pending";
  private stage: Stage = "started";
  private progress = 0;
  private reason: string | null = null;
  suspended = false;
  seq = 0;

  constructor(readonly total: number) {
    this.change({ type: "started", data: { total_products: null } });
  }

  get over(): boolean {
    return this.stage === "done";
  }

  analyse(): void {
    this.state = this.stage = "training";
    this.progress = 20;
    const report = { format: "CSV" } as never;
    this.change({ type: "progress", data: { step: "data_analysis", total_products: this.total, report } });
  }

  toggleSuspended(): void {
    this.suspended = !this.suspended;
    this.change(null);
  }

  endProduct(n: number, reason: string | null): void {
    const end: ProductEnd = {
      product_id: `p-${n}`,
      product: `P ${n}`,
      shop: null,
      status: reason ? "failed" : "trained",
      reason,
      message: reason && `P ${n}: ${reason}`,
    };
    const { product_id, product, shop } = end;
    this.ends.push([this.seq + 1, end]);
    if (reason)
      this.failures.push({ product_id, product, shop, seq: this.seq + 1, reason, message: end.message ?? "" });
    this.progress = Math.max(this.progress, 20 + Math.floor((this.ends.length / this.total) * 60));
    const counted = { products_completed: this.ends.length, products_failed: this.failures.length };
    this.change({ type: "product_completed", data: { ...end, ...counted, total_products: this.total } });
    if (this.ends.length === this.total) this.end(this.failures.length < this.total ? null : "all_products_failed");
  }

  end(reason: string | null): void {
    const total = this.stage === "training" ? this.total : null;
    this.state = reason === null ? "completed" : reason === "cancelled" ? "cancelled" : "failed";
    this.stage = "done";
    this.suspended = false;
    this.reason = reason;
    const failed = this.failures.length;
    const counts = { successful: this.ends.length - failed, failed, duration_seconds: 1, failures: this.named };
    if (reason !== null) {
      this.change({ type: "failed", data: { ...counts, reason, message: reason, total_products: total } });
    } else {
      this.progress = 100;
      this.change({ type: "completed", data: { ...counts, total_products: this.total } });
    }
  }

  /** What a closing read answers when the job is at `seq`. */
  endsBetween(after: number, seq: number): [number, ProductEnd][] {
    return this.ends.filter(([number]) => after < number && number <= seq);
  }

  private get named(): ProductFailure[] {
    return this.failures.slice(0, MAX_FAILURES);
  }

  private change(what: Pick<Frame, "type" | "data"> | null): void {
    this.seq += 1;
    const at = { ...PLACE, seq: this.seq, progress: this.progress };
    if (what) this.frames.push({ ...at, ...what } as Frame);
    const data = {
      state: this.state,
      stage: this.stage,
      suspended: this.suspended,
      products_completed: this.ends.length,
      products_failed: this.failures.length,
      total_products: this.progress === 0 ? null : this.total,
      failures: this.named,
      reason: this.reason,
      message: this.reason,
    };
    this.snapshots.push({ ...at, type: "snapshot", data });
  }
}

const plan = fc.record({
  fate: fc.constantFrom("waits", "unusable_data", "trains", "trains", "trains", "cancelled"),
  ends: fc.array(fc.record({ reason: fc.constantFrom(null, null, "too_short"), toggle: fc.nat(5) }), {
    minLength: 1,
    maxLength: 30,
  }),
  until: fc.constantFrom(1, 1, 0.5),
});

/** A job at any point of its life: waiting, in training, suspended, ended in each of the ways. */
export const jobs: fc.Arbitrary<SimulatedJob> = plan.map(({ fate, ends, until }) => {
  const job = new SimulatedJob(ends.length);
  if (fate === "unusable_data") job.end(fate);
  if (fate === "waits" || fate === "unusable_data") return job;
  job.analyse();
  ends.slice(0, Math.ceil(ends.length * until)).forEach(({ reason, toggle }, n) => {
    if (toggle === 0) job.toggleSuspended();
    job.endProduct(n, reason);
  });
  if (fate === "cancelled" && !job.over) job.end("cancelled");
  return job;
});
