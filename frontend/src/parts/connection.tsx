import type { Status } from "../api/hooks/training";
import { time } from "../format";
import { texts } from "../texts";

export function statusText(status: Status): string {
  switch (status.kind) {
    case "reconnecting":
      return texts.status.reconnecting(status.attempt);
    case "stale":
      return texts.status.stale(time.clock(status.since), status.attempt);
    case "refused":
      return texts.status.refused[status.why];
    default:
      return texts.status[status.kind];
  }
}

export function ConnectionBadge({ status }: { readonly status: Status }) {
  return (
    <span className={`badge connection ${status.kind}`} role="status">
      <span className="dot" aria-hidden="true" />
      {statusText(status)}
    </span>
  );
}
