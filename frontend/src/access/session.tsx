import { createContext, type ReactNode, useContext, useMemo, useSyncExternalStore } from "react";
import { Api, type GetToken } from "../api/training/rest";
import type { Access, TokenKeeper } from "./keeper";

export interface Session {
  readonly tenant: string;
  readonly mayTrain: boolean;
  readonly getToken: GetToken;
  readonly api: Api;
}

const SessionContext = createContext<Session | null>(null);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) throw new Error("outside of a session");
  return session;
}

export function useAccess(keeper: TokenKeeper): Access {
  return useSyncExternalStore(keeper.listen, keeper.current);
}

interface SessionProviderProps {
  readonly keeper: TokenKeeper;
  readonly tenant: string;
  readonly mayTrain: boolean;
  readonly children: ReactNode;
}

export function SessionProvider({ keeper, tenant, mayTrain, children }: SessionProviderProps) {
  const session = useMemo<Session>(() => {
    const { getToken } = keeper;
    return { tenant, mayTrain, getToken, api: new Api({ baseUrl: "", tenant, getToken }) };
  }, [keeper, tenant, mayTrain]);
  return <SessionContext value={session}>{children}</SessionContext>;
}
