import { beforeEach, describe, expect, it, vi } from "vitest";
import { TokenKeeper } from "../src/access/keeper";
import { factsOf, given } from "../src/access/token";

const part = (value: object) =>
  btoa(JSON.stringify(value)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const token = (claims: object) => `${part({ alg: "HS256" })}.${part(claims)}.c2lnbmF0dXJl`;
const anna = token({ tenant_id: "anna", role: "trainer" });
const annaLater = token({ tenant_id: "anna", role: "trainer", n: 2 });
const bert = token({ tenant_id: "bert" });

/** Tabs of one browser: what one posts, the others hear. */
function tabs(count: number): TokenKeeper[] {
  const channels = Array.from({ length: count }, () => new EventTarget());
  return channels.map((channel) => {
    const postMessage = (data: unknown) => {
      for (const other of channels) if (other !== channel) other.dispatchEvent(new MessageEvent("message", { data }));
    };
    return new TokenKeeper(Object.assign(channel, { postMessage }) as unknown as BroadcastChannel);
  });
}

const one = () => tabs(1)[0] as TokenKeeper;

beforeEach(() => {
  vi.useFakeTimers();
  history.replaceState(null, "", "/");
});

describe("a token", () => {
  it("is read for its tenant and role, and another claim's tenant can be named beside it", () => {
    expect(factsOf(anna)).toEqual({ tenant: "anna", role: "trainer" });
    expect(factsOf(token({ tenant_id: "anna", role: "viewer" }))?.role).toBe("viewer");
    expect(factsOf(token({ org: "anna" }), "anna")).toEqual({ tenant: "anna", role: "trainer" });
    expect(given(` http://levain.test/jobs/1#token=${anna} `)).toEqual({ token: anna, tenant: undefined });
    expect(given(`#token=${anna}&tenant=anna`)).toEqual({ token: anna, tenant: "anna" });
  });

  it.each(["", "no token", "a.b.c", `${anna}\n.x`, token({ tenant_id: "../x" }), token({ tenant_id: 5 }), token([])])(
    "%j is none",
    (text) => {
      expect(given(text)).toBeNull();
    },
  );
});

describe("the keeper", () => {
  it("takes a token out of the address and the history, and leaves all else there", async () => {
    history.replaceState({ scroll: 1 }, "", `/jobs/j?show=failed#token=${anna}`);
    const keeper = one();
    keeper.takeFromAddress();
    expect([location.pathname, location.search, location.hash, history.state]).toEqual([
      "/jobs/j",
      "?show=failed",
      "",
      { scroll: 1 },
    ]);
    expect(await keeper.getToken()).toBe(anna);
  });

  it("removes from the address what is no token too", () => {
    history.replaceState(null, "", "/#token=rubbish");
    const keeper = one();
    keeper.takeFromAddress();
    expect([location.hash, keeper.current()]).toEqual(["", { facts: null, need: "none" }]);
  });

  it("lets who asks wait until a person gives one, and says which is wanted", async () => {
    const keeper = one();
    const asked = Promise.all([keeper.getToken(), keeper.getToken()]);
    await vi.advanceTimersByTimeAsync(300);
    expect(keeper.current().need).toBe("first");
    expect(keeper.give("rubbish")).toBe(false);
    expect(keeper.give(anna)).toBe(true);
    expect(await asked).toEqual([anna, anna]);
    expect(keeper.current()).toEqual({ facts: { tenant: "anna", role: "trainer" }, need: "none" });
  });

  it("never gives or takes again what was refused", async () => {
    const keeper = one();
    keeper.give(anna);
    const fresh = keeper.getToken(anna);
    await vi.advanceTimersByTimeAsync(300);
    expect(keeper.current()).toEqual({ facts: { tenant: "anna", role: "trainer" }, need: "new" });
    expect(keeper.give(anna)).toBe(false);
    expect(keeper.give(annaLater)).toBe(true);
    expect(await fresh).toBe(annaLater);
    expect(await keeper.getToken(anna)).toBe(annaLater);
  });

  it("asks the other tabs first, and tells them of a new one", async () => {
    const [first, second, third] = tabs(3) as [TokenKeeper, TokenKeeper, TokenKeeper];
    first.give(anna);
    expect(await second.getToken()).toBe(anna);
    expect(second.current().need).toBe("none");
    const [waiting, alsoWaiting] = [first.getToken(anna), second.getToken(anna)];
    third.give(annaLater);
    expect(await Promise.all([waiting, alsoWaiting])).toEqual([annaLater, annaLater]);
  });

  it("takes no token of another tenant's tab", async () => {
    const [first, second] = tabs(2) as [TokenKeeper, TokenKeeper];
    first.give(anna);
    const fresh = first.getToken(anna);
    second.give(bert);
    await vi.advanceTimersByTimeAsync(300);
    expect(first.current()).toEqual({ facts: { tenant: "anna", role: "trainer" }, need: "new" });
    first.give(annaLater);
    expect(await fresh).toBe(annaLater);
  });
});
