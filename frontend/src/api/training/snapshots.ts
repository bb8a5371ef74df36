import type { Job, SnapshotFrame } from "./contracts.gen";

/** A job as REST tells it, as the snapshot that the live socket would begin with. */
export function asSnapshot(job: Job): SnapshotFrame {
  const { job_id, tenant_id, seq, progress, updated_at: time, ...data } = job;
  return { type: "snapshot", job_id, tenant_id, seq, progress, time, data };
}
