/**
 * A viewer's state is a join: frames may come twice, late, in any order, or not at all, and a closing read heals the rest.
 * The same reducer exists in Python (`levain_contracts/viewer.py`); both pass the table `tests/contracts/viewer_cases.json`.
 */
import type { CompletedData, FailedData, Frame, JobState, ProductFailure, SnapshotData, Stage } from "./contracts.gen";
import { MAX_FAILURES, STAGES, TERMINAL_STATES } from "./contracts.gen";
import { Growing, type Ranges, withNumber } from "./growing";

export interface ProductEnd {
  readonly product_id: string;
  readonly product: string;
  readonly shop: string | null;
  readonly status: "trained" | "failed";
  readonly reason: string | null;
  readonly message: string | null;
}

/** `closedSeq`: every event up to it is known. `seen`: ranges of numbers above it that are known too. */
export interface ViewerState {
  readonly stage: Stage;
  readonly state: JobState | null;
  readonly progress: number;
  readonly productsCompleted: number;
  readonly productsFailed: number;
  readonly totalProducts: number | null;
  readonly failures: readonly ProductFailure[];
  readonly products: Growing<ProductEnd>;
  readonly suspended: boolean;
  readonly suspendedSeq: number;
  readonly reason: string | null;
  readonly message: string | null;
  readonly latestSeq: number;
  readonly closedSeq: number;
  readonly seen: Ranges;
}

export function emptyState(): ViewerState {
  return {
    stage: "started",
    state: null,
    progress: 0,
    productsCompleted: 0,
    productsFailed: 0,
    totalProducts: null,
    failures: [],
    products: Growing.empty(),
    suspended: false,
    suspendedSeq: -1,
    reason: null,
    message: null,
    latestSeq: 0,
    closedSeq: 0,
    seen: [],
  };
}

export function isTerminal(state: JobState | null): boolean {
  return state !== null && (TERMINAL_STATES as readonly string[]).includes(state);
}

/** True where an event below the newest is missing: close it by one read of `products?after_seq=closedSeq`. */
export function hasGap(state: ViewerState): boolean {
  return state.latestSeq > state.closedSeq;
}

/** The join of `state` and one frame: commutative, associative, idempotent. */
export function apply(state: ViewerState, frame: Frame): ViewerState {
  const joined = step(state, frame);
  const known = {
    ...joined,
    progress: Math.max(joined.progress, frame.progress),
    latestSeq: Math.max(joined.latestSeq, frame.seq),
  };
  return frame.type === "snapshot" ? known : see(known, frame.seq);
}

/** Joins the answer of a closing read: all ends after `closedSeq` up to the job's `seq`, each with its own number. */
export function closeGap(state: ViewerState, seq: number, ends: Iterable<readonly [number, ProductEnd]>): ViewerState {
  let joined = state;
  for (const [number, product] of ends) joined = end(joined, number, product);
  return advance({ ...joined, closedSeq: Math.max(joined.closedSeq, seq), latestSeq: Math.max(joined.latestSeq, seq) });
}

function step(state: ViewerState, frame: Frame): ViewerState {
  switch (frame.type) {
    case "snapshot":
      return snapshot(state, frame.seq, frame.data);
    case "started":
      return count(state, frame.data);
    case "progress":
      return count({ ...state, stage: furthest(state.stage, "training") }, frame.data);
    case "product_completed": {
      const d = frame.data;
      const counted = count({ ...state, stage: furthest(state.stage, "training") }, d);
      const { product_id, product, status, shop = null, reason = null, message = null } = d;
      return end(counted, frame.seq, { product_id, product, shop, status, reason, message });
    }
    case "completed":
      return endJob(state, "completed", frame.data);
    case "failed":
      return endJob(state, frame.data.reason === "cancelled" ? "cancelled" : "failed", frame.data);
  }
}

function snapshot(state: ViewerState, seq: number, data: SnapshotData): ViewerState {
  const newer = seq > state.suspendedSeq && !isTerminal(state.state);
  const joined = fail(
    count(
      {
        ...state,
        suspended: newer ? data.suspended : state.suspended,
        suspendedSeq: Math.max(state.suspendedSeq, seq),
        stage: furthest(state.stage, data.stage),
      },
      data,
    ),
    data.failures ?? [],
  );
  return isTerminal(data.state) ? endJob(joined, data.state, data) : joined;
}

function furthest(a: Stage, b: Stage): Stage {
  return STAGES.indexOf(b) > STAGES.indexOf(a) ? b : a;
}

interface Counters {
  readonly products_completed?: number;
  readonly products_failed?: number;
  readonly successful?: number;
  readonly failed?: number;
  readonly total_products?: number | null;
}

function count(state: ViewerState, data: Counters): ViewerState {
  const failed = data.products_failed ?? data.failed ?? 0;
  const completed = data.products_completed ?? (data.successful ?? 0) + (data.failed ?? 0);
  const total = data.total_products ?? null;
  return {
    ...state,
    productsCompleted: Math.max(state.productsCompleted, completed),
    productsFailed: Math.max(state.productsFailed, failed),
    totalProducts: total === null ? state.totalProducts : Math.max(state.totalProducts ?? 0, total),
  };
}

function end(state: ViewerState, seq: number, product: ProductEnd): ViewerState {
  if (state.products.has(product.product_id)) return state;
  const joined = { ...state, products: state.products.plus(product.product_id, product) };
  if (product.status !== "failed") return joined;
  const { product_id, product: name, shop, reason, message } = product;
  return fail(joined, [{ seq, product_id, product: name, shop, reason: reason ?? "unknown", message: message ?? "" }]);
}

/** Keeps the first failures by number: the smallest of a union are the same in whatever order it was made. */
function fail(state: ViewerState, failures: readonly ProductFailure[]): ViewerState {
  if (failures.length === 0) return state;
  const known = new Map(state.failures.map((f) => [f.product_id, f]));
  for (const failure of failures) {
    const before = known.get(failure.product_id);
    if (!before || byNumber(failure, before) < 0) known.set(failure.product_id, failure);
  }
  return { ...state, failures: [...known.values()].sort(byNumber).slice(0, MAX_FAILURES) };
}

function byNumber(a: ProductFailure, b: ProductFailure): number {
  if (a.seq !== b.seq) return a.seq - b.seq;
  return a.product_id < b.product_id ? -1 : Number(a.product_id > b.product_id);
}

function endJob(state: ViewerState, to: JobState, data: SnapshotData | CompletedData | FailedData): ViewerState {
  const joined = fail(count(state, data), data.failures ?? []);
  const said = data as { readonly reason?: string | null; readonly message?: string | null };
  return {
    ...joined,
    stage: "done",
    state: to,
    suspended: false,
    reason: said.reason || joined.reason,
    message: said.message || joined.message,
  };
}

function see(state: ViewerState, seq: number): ViewerState {
  return seq <= state.closedSeq ? state : advance({ ...state, seen: withNumber(state.seen, seq) });
}

function advance(state: ViewerState): ViewerState {
  let closed = state.closedSeq;
  let from = 0;
  for (const [first, last] of state.seen) {
    if (first > closed + 1) break;
    closed = Math.max(closed, last);
    from += 1;
  }
  return { ...state, closedSeq: closed, seen: state.seen.slice(from) };
}
