/** What the users of a connection see, and where it is. */
import type { Refusal } from "./closing";
import { emptyState, type ViewerState } from "./reducer";
import type { Tenant } from "./rest";

export type Status =
  | { readonly kind: "connecting" }
  | { readonly kind: "live" }
  /** WebSockets don't come through: the job is asked for every two seconds. */
  | { readonly kind: "polling" }
  | { readonly kind: "reconnecting"; readonly attempt: number }
  /** Nothing was heard since `since`, in ms of the epoch: the numbers may be old. */
  | { readonly kind: "stale"; readonly since: number; readonly attempt: number }
  | { readonly kind: "ended" }
  | { readonly kind: "refused"; readonly why: Refusal };

/** `known`: whether anything was heard of the job at all. */
export interface LiveJob {
  readonly job: ViewerState;
  readonly status: Status;
  readonly known: boolean;
}

export const NOTHING_YET: LiveJob = { job: emptyState(), status: { kind: "connecting" }, known: false };

export interface JobPlace extends Tenant {
  readonly jobId: string;
}

/** `https://host/…` → `wss://host/…`; without a base that of the page. */
export function liveUrl(place: JobPlace): string {
  const base = new URL(place.baseUrl || globalThis.location.origin);
  base.protocol = base.protocol === "https:" ? "wss:" : "ws:";
  return new URL(`/api/v1/tenants/${place.tenant}/training/jobs/${place.jobId}/live`, base).href;
}
