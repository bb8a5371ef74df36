import { BEARER_PROTOCOL_PREFIX, type Frame, PROTOCOL } from "./contracts.gen";
import { decodeFrame } from "./frames";

const PING = '{"type":"ping"}';
const PING_AFTER_MS = 15_000;
const DEAD_AFTER_MS = 10_000; // after a ping, or after the connection was asked for
const PROBE_MS = 3000;

interface Heard {
  readonly frame: (frame: Frame) => void;
  /** Anything, a pong or a frame of an unknown type too. */
  readonly anything: () => void;
  /** Once, whatever ended it; 1006 where no close frame came. */
  readonly closed: (code: number, reason: string, opened: boolean) => void;
}

/** One WebSocket that notices when its other side is dead. */
export class LiveSocket {
  private readonly socket: WebSocket;
  private readonly heard: Heard;
  private deadline: ReturnType<typeof setTimeout> | undefined;
  private opened = false;
  private over = false;

  constructor(url: string, token: string, heard: Heard) {
    this.heard = heard;
    this.socket = new WebSocket(url, [PROTOCOL, BEARER_PROTOCOL_PREFIX + token]);
    this.socket.onopen = () => {
      this.opened = true;
    };
    this.socket.onmessage = ({ data }) => this.take(data);
    this.socket.onclose = ({ code, reason }) => this.finish(code, reason);
    this.expect(DEAD_AFTER_MS);
  }

  /** Asks whether the line is alive, with little time for the answer: after a sleep, or when the network changed. */
  probe(): void {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    this.socket.send(PING);
    this.expect(PROBE_MS);
  }

  /** Without a word to `heard`. */
  leave(): void {
    this.over = true;
    clearTimeout(this.deadline);
    this.socket.close();
  }

  private take(data: unknown): void {
    if (this.over || typeof data !== "string") return;
    clearTimeout(this.deadline);
    this.deadline = setTimeout(() => this.ping(), PING_AFTER_MS);
    this.heard.anything();
    const frame = decodeFrame(data);
    if (frame) this.heard.frame(frame);
  }

  private ping(): void {
    this.socket.send(PING);
    this.expect(DEAD_AFTER_MS);
  }

  private expect(ms: number): void {
    clearTimeout(this.deadline);
    this.deadline = setTimeout(() => {
      // A closing handshake with a dead peer would take a minute.
      this.finish(1006, "");
      this.socket.close();
    }, ms);
  }

  private finish(code: number, reason: string): void {
    if (this.over) return;
    this.over = true;
    clearTimeout(this.deadline);
    this.heard.closed(code, reason, this.opened);
  }
}
