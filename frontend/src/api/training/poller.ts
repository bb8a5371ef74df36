import type { Job } from "./contracts.gen";

const EVERY_MS = 2000;

interface Heard {
  readonly ask: () => Promise<Job>;
  readonly job: (job: Job) => void;
  readonly failed: (error: unknown) => void;
}

/** Asks for a job again and again: what is left where no WebSocket comes through. */
export class Poller {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private round: symbol | null = null;

  constructor(private readonly heard: Heard) {}

  start(): void {
    if (this.round) return;
    const round = Symbol("round");
    this.round = round;
    void this.ask(round);
  }

  stop(): void {
    this.round = null;
    clearTimeout(this.timer);
  }

  private async ask(round: symbol): Promise<void> {
    try {
      const job = await this.heard.ask();
      if (round === this.round) this.heard.job(job);
    } catch (error) {
      if (round === this.round) this.heard.failed(error);
    }
    if (round === this.round) this.timer = setTimeout(() => void this.ask(round), EVERY_MS);
  }
}
