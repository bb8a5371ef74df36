/** One connection a job in this tab, however many parts of the page watch it. */
import { JobConnection } from "./connection";
import { type JobPlace, type LiveJob, NOTHING_YET } from "./live";

/** React's StrictMode leaves and comes back at once, and so does a move from one view to the next. */
const LINGER_MS = 500;

interface Shared {
  readonly connection: JobConnection;
  users: number;
  leaving: ReturnType<typeof setTimeout> | undefined;
}

const shared = new Map<string, Shared>();

function keyOf({ baseUrl, tenant, jobId }: JobPlace): string {
  return [baseUrl, tenant, jobId].join(" ");
}

/** A place that nobody watches (yet) is not kept: a render may never be more than that. */
export function currentOf(place: JobPlace): LiveJob {
  return shared.get(keyOf(place))?.connection.current() ?? NOTHING_YET;
}

function sharedAt(place: JobPlace): Shared {
  const key = keyOf(place);
  let found = shared.get(key);
  if (!found) {
    found = { connection: new JobConnection(place), users: 0, leaving: undefined };
    shared.set(key, found);
  }
  return found;
}

/** Watches from now on, until the function that it returns is called. */
export function watch(place: JobPlace, listener: () => void): () => void {
  const it = sharedAt(place);
  clearTimeout(it.leaving);
  it.users += 1;
  it.connection.moveTo(place);
  const deaf = it.connection.listen(listener);
  it.connection.start();
  return () => {
    deaf();
    it.users -= 1;
    if (it.users === 0) it.leaving = setTimeout(() => leave(place, it), LINGER_MS);
  };
}

function leave(place: JobPlace, it: Shared): void {
  it.connection.stop();
  shared.delete(keyOf(place));
}
