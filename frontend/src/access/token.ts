/** What the page may know of a token: whose it is and what it may do. The gateway verifies it; the page only reads. */
import type { Role } from "../api/training/contracts.gen";

export interface TokenFacts {
  readonly tenant: string;
  readonly role: Role;
}

const TENANT = /^[a-z0-9][a-z0-9-]{0,62}$/;
const TOKEN = /^[A-Za-z0-9_.-]+$/;

/** null where the text is no token of ours. */
export function factsOf(token: string, tenant?: string): TokenFacts | null {
  const claims = TOKEN.test(token) ? claimsOf(token) : null;
  const found = tenant ?? claims?.tenant_id;
  if (!claims || typeof found !== "string" || !TENANT.test(found)) return null;
  return { tenant: found, role: claims.role === "viewer" ? "viewer" : "trainer" };
}

function claimsOf(token: string): Record<string, unknown> | null {
  try {
    const payload = token.split(".")[1] ?? "";
    const bytes = Uint8Array.from(atob(payload.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof claims === "object" ? (claims as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

export interface Given {
  readonly token: string;
  readonly tenant: string | undefined;
}

/** A token as people have one: alone, or in a link's fragment as `#token=…`, with `&tenant=…` where its claim has another name. */
export function given(text: string): Given | null {
  const trimmed = text.trim();
  const parts = new URLSearchParams(trimmed.slice(trimmed.indexOf("#") + 1));
  const token = parts.get("token") ?? trimmed;
  const tenant = parts.get("tenant") ?? undefined;
  return factsOf(token, tenant) ? { token, tenant } : null;
}
