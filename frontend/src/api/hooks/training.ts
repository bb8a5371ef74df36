/** One training job, live, for any React component: frontend/README.md has an example. */
import { useCallback, useMemo, useSyncExternalStore } from "react";
import { currentOf, watch } from "../training/connections";
import type { LiveJob } from "../training/live";
import type { GetToken } from "../training/rest";

export type { ProductFailure, Stage } from "../training/contracts.gen";
export type { LiveJob, Status } from "../training/live";
export type { ProductEnd, ViewerState } from "../training/reducer";
export { hasGap, isTerminal } from "../training/reducer";
export type { GetToken } from "../training/rest";

export interface TrainingJobOptions {
  readonly tenant: string;
  readonly jobId: string;
  /** A token; with `refused`, another one than that, or null where there is none. Keep it stable between renders. */
  readonly getToken: GetToken;
  /** Where the gateway is; by default the page's own origin. */
  readonly baseUrl?: string;
}

/** All components that watch the same job share one socket, which is left half a second after the last of them is gone. */
export function useTrainingJob({ tenant, jobId, getToken, baseUrl = "" }: TrainingJobOptions): LiveJob {
  const place = useMemo(() => ({ tenant, jobId, getToken, baseUrl }), [tenant, jobId, getToken, baseUrl]);
  const subscribe = useCallback((listener: () => void) => watch(place, listener), [place]);
  return useSyncExternalStore(subscribe, () => currentOf(place));
}
