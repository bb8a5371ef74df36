/** One job of one tenant, watched: connects, joins frames, closes gaps, and comes back after a cut. */
import { Backoff } from "./backoff";
import { Closer } from "./closer";
import { type Refusal, reaction, refusalOf } from "./closing";
import type { Frame, Job } from "./contracts.gen";
import { type JobPlace, type LiveJob, liveUrl, NOTHING_YET, type Status } from "./live";
import { Poller } from "./poller";
import { apply, closeGap, isTerminal, type ViewerState } from "./reducer";
import { Api } from "./rest";
import { asSnapshot } from "./snapshots";
import { LiveSocket } from "./socket";

const NOTIFY_MS = 50;
const STALE_AFTER_MS = 5000;
/** So many tries in a row that never opened: WebSockets may be blocked, and REST is asked instead. */
const BLOCKED_AFTER = 2;
/** While REST tells enough, a socket is tried again now and then. */
const BLOCKED_RETRY_MS = 30_000;
/** So many new tokens may be refused within so long: one more would be refused too. A person is slower. */
const MAX_RENEWALS = 2;
const RENEWALS_MS = 5000;

type Timer = ReturnType<typeof setTimeout>;

export class JobConnection {
  private readonly listeners = new Set<() => void>();
  private readonly backoff = new Backoff();
  private readonly closer: Closer;
  private readonly poller: Poller;
  private job = NOTHING_YET.job;
  private status: Status = NOTHING_YET.status;
  private published = NOTHING_YET;
  private socket: LiveSocket | null = null;
  private retry: Timer | undefined;
  private notify: Timer | undefined;
  private stale: Timer | undefined;
  private attempt = 0;
  private neverOpened = 0;
  private renewals: readonly number[] = [];
  private heardAt = 0;
  private greeted = false;
  /** Counts starts and stops: a token that was asked for before the last one is nobody's. */
  private life = 0;
  private running = false;

  constructor(private place: JobPlace) {
    const { jobId } = place;
    const api = new Api({ ...place, getToken: (refused) => this.place.getToken(refused) });
    this.closer = new Closer(api, jobId, {
      job: () => this.job,
      ends: (seq, ends) => this.join((job) => closeGap(job, seq, ends)),
    });
    this.poller = new Poller({
      ask: () => api.job(jobId),
      job: (job) => this.polled(job),
      failed: (error) => this.pollFailed(error),
    });
  }

  readonly current = (): LiveJob => this.published;

  listen(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** The newest way to a token counts. */
  moveTo(place: JobPlace): void {
    this.place = place;
  }

  start(): void {
    if (this.running) return;
    this.running = true;
    this.life += 1;
    globalThis.addEventListener?.("online", this.wake);
    globalThis.addEventListener?.("offline", this.probe);
    globalThis.document?.addEventListener("visibilitychange", this.seen);
    void this.connect();
  }

  stop(): void {
    this.running = false;
    this.life += 1;
    globalThis.removeEventListener?.("online", this.wake);
    globalThis.removeEventListener?.("offline", this.probe);
    globalThis.document?.removeEventListener("visibilitychange", this.seen);
    this.rest();
    this.closer.stop();
    clearTimeout(this.notify);
    this.notify = undefined;
  }

  private readonly seen = (): void => {
    if (document.visibilityState === "visible") this.wake();
  };

  /** The network or the machine is back: a pause is over, and a socket has to show that it lives. */
  private readonly wake = (): void => {
    if (this.retry !== undefined) void this.connect();
    else this.probe();
  };

  private readonly probe = (): void => this.socket?.probe();

  private async connect(refused?: string): Promise<void> {
    clearTimeout(this.retry);
    this.retry = undefined;
    const { life } = this;
    let token: string | null;
    try {
      token = await this.place.getToken(refused);
    } catch {
      if (life === this.life) this.lost(null);
      return;
    }
    if (life !== this.life || this.socket) return;
    if (token === null || token === refused) this.refuse("unauthenticated");
    else this.open(token);
  }

  private open(token: string): void {
    this.greeted = false;
    const socket: LiveSocket = new LiveSocket(liveUrl(this.place), token, {
      anything: () => {
        this.heardAt = Date.now();
      },
      frame: (frame) => this.take(frame),
      closed: (code, reason, opened) => {
        if (this.socket !== socket) return;
        this.socket = null;
        this.closed(code, reason, opened, token);
      },
    });
    this.socket = socket;
  }

  private take(frame: Frame): void {
    if (frame.job_id !== this.place.jobId) return;
    this.attempt = this.neverOpened = 0;
    this.poller.stop();
    const greeting = !this.greeted && frame.type === "snapshot";
    this.greeted ||= greeting;
    this.news((job) => apply(job, frame), "live", greeting);
  }

  private polled(job: Job): void {
    this.news((state) => apply(state, asSnapshot(job)), "polling", true);
  }

  private news(step: (job: ViewerState) => ViewerState, kind: "live" | "polling", bySnapshot: boolean): void {
    this.heardAt = Date.now();
    clearTimeout(this.stale);
    this.join(step);
    this.closer.changed(bySnapshot);
    if (isTerminal(this.job.state)) this.end({ kind: "ended" });
    else if (this.status.kind !== kind) this.become({ kind });
  }

  private pollFailed(error: unknown): void {
    const why = refusalOf(error);
    if (why) {
      this.refuse(why);
    } else if (this.status.kind === "polling") {
      this.reconnecting();
      this.lost(null);
    }
  }

  private closed(code: number, reason: string, opened: boolean, token: string): void {
    this.neverOpened = opened ? 0 : this.neverOpened + 1;
    const then = reaction(code, reason);
    if (then.act === "stop") this.refuse(then.why);
    else if (then.act === "renew") this.renew(token);
    else this.lost(then.act === "retry" ? then.afterMs : null);
  }

  private renew(refused: string): void {
    const now = Date.now();
    this.renewals = [...this.renewals.filter((at) => now - at < RENEWALS_MS), now];
    if (this.renewals.length > MAX_RENEWALS) {
      this.refuse("unauthenticated");
      return;
    }
    this.attempt += 1;
    this.reconnecting();
    void this.connect(refused);
  }

  private lost(afterMs: number | null): void {
    const polling = this.status.kind === "polling";
    const pause = polling ? BLOCKED_RETRY_MS * (0.5 + Math.random()) : this.backoff.pauseMs(Date.now());
    clearTimeout(this.retry);
    this.retry = setTimeout(() => void this.connect(), afterMs ?? pause);
    this.attempt += 1;
    if (this.status.kind === "stale") this.become({ ...this.status, attempt: this.attempt });
    else if (!polling) this.reconnecting();
    if (this.neverOpened >= BLOCKED_AFTER) this.poller.start();
  }

  private reconnecting(): void {
    if (this.status.kind !== "reconnecting" && this.heardAt > 0) {
      const wait = Math.max(0, this.heardAt + STALE_AFTER_MS - Date.now());
      this.stale = setTimeout(() => this.become({ kind: "stale", since: this.heardAt, attempt: this.attempt }), wait);
    }
    this.become({ kind: "reconnecting", attempt: this.attempt });
  }

  private refuse(why: Refusal): void {
    this.closer.stop();
    this.end({ kind: "refused", why });
  }

  private end(status: Status): void {
    this.rest();
    if (this.status.kind !== status.kind) this.become(status);
  }

  /** No socket, no poll, and no try that is due. */
  private rest(): void {
    this.socket?.leave();
    this.socket = null;
    this.poller.stop();
    clearTimeout(this.stale);
    clearTimeout(this.retry);
    this.retry = undefined;
  }

  private join(step: (job: ViewerState) => ViewerState): void {
    try {
      this.job = step(this.job);
    } catch {
      return; // something in it is not what its contract says: as good as a frame that never came
    }
    this.notify ??= setTimeout(() => this.publish(), NOTIFY_MS);
  }

  private become(status: Status): void {
    this.status = status;
    this.publish();
  }

  private publish(): void {
    clearTimeout(this.notify);
    this.notify = undefined;
    this.published = { job: this.job, status: this.status, known: this.heardAt > 0 };
    for (const listener of this.listeners) listener();
  }
}
