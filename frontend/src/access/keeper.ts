/** The page's token: in this tab's memory, and nowhere else. Other tabs of the same origin are asked for theirs. */
import { factsOf, type Given, given, type TokenFacts } from "./token";

/** `need`: whether a person must give one: the first, or a new one because the last was refused. */
export interface Access {
  readonly facts: TokenFacts | null;
  readonly need: "none" | "first" | "new";
}

type Word = { readonly kind: "ask" } | ({ readonly kind: "token" } & Given);

const OTHERS_MS = 300;

export class TokenKeeper {
  private token: string | null = null;
  private readonly refused = new Set<string>();
  private readonly waiting = new Set<(token: string) => void>();
  private readonly listeners = new Set<() => void>();
  private tenant: string | undefined;
  private access: Access = { facts: null, need: "none" };

  constructor(private readonly others: BroadcastChannel | null) {
    others?.addEventListener("message", ({ data }: MessageEvent<Word>) => this.hear(data));
  }

  readonly current = (): Access => this.access;

  readonly listen = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** The `getToken` of the client: it waits for as long as a person needs. */
  readonly getToken = (refused?: string): Promise<string> => {
    if (refused !== undefined) this.refuse(refused);
    if (this.token !== null) return Promise.resolve(this.token);
    if (this.waiting.size === 0) this.askAround();
    return new Promise((resolve) => this.waiting.add(resolve));
  };

  /** From a link, a person or another tab. False where it is no token, or one that was refused. */
  give(text: string): boolean {
    const found = given(text);
    if (!found || !this.take(found)) return false;
    this.others?.postMessage({ kind: "token", ...found } satisfies Word);
    return true;
  }

  /** A token in the address goes into memory, and out of the address and the history. */
  takeFromAddress(): void {
    if (!location.hash.includes("token=")) return;
    const { hash } = location;
    history.replaceState(history.state, "", location.pathname + location.search);
    this.give(hash);
  }

  private take({ token, tenant }: Given): boolean {
    const facts = factsOf(token, tenant);
    if (!facts || this.refused.has(token)) return false;
    this.token = token;
    this.tenant = tenant;
    for (const resolve of this.waiting) resolve(token);
    this.waiting.clear();
    this.become({ facts, need: "none" });
    return true;
  }

  private refuse(token: string): void {
    this.refused.add(token);
    if (this.token === token) this.token = null;
  }

  private askAround(): void {
    this.others?.postMessage({ kind: "ask" } satisfies Word);
    setTimeout(() => {
      if (this.token === null) this.become({ ...this.access, need: this.access.facts ? "new" : "first" });
    }, OTHERS_MS);
  }

  private hear(word: Word): void {
    if (word.kind === "ask") {
      if (this.token !== null)
        this.others?.postMessage({ kind: "token", token: this.token, tenant: this.tenant } satisfies Word);
      return;
    }
    const mine = this.access.facts?.tenant;
    const theirs = factsOf(word.token, word.tenant)?.tenant;
    if (this.token === null && (mine === undefined || mine === theirs)) this.take(word);
  }

  private become(access: Access): void {
    this.access = access;
    for (const listener of this.listeners) listener();
  }
}
