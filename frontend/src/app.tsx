import { useEffect, useRef } from "react";
import { Redirect, Route, Switch, useLocation } from "wouter";
import type { TokenKeeper } from "./access/keeper";
import { SessionProvider, useAccess } from "./access/session";
import { ErrorBoundary } from "./parts/errors";
import { Shell } from "./parts/shell";
import { TokenDialog, TokenPrompt } from "./parts/tokenprompt";
import { JobView } from "./views/job";
import { JobsView } from "./views/jobs";
import { ProductView } from "./views/product";
import { StartView } from "./views/start";

export function App({ keeper }: { readonly keeper: TokenKeeper }) {
  const { facts, need } = useAccess(keeper);
  useEffect(() => {
    if (!facts) void keeper.getToken();
  }, [facts, keeper]);

  if (!facts) return <Shell>{need === "first" && <TokenPrompt give={(text) => keeper.give(text)} />}</Shell>;
  return (
    <SessionProvider key={facts.tenant} keeper={keeper} tenant={facts.tenant} mayTrain={facts.role !== "viewer"}>
      <Shell tenant={facts.tenant}>
        <ErrorBoundary>
          <Views />
        </ErrorBoundary>
      </Shell>
      {need === "new" && <TokenDialog give={(text) => keeper.give(text)} />}
    </SessionProvider>
  );
}

function Views() {
  const [path] = useLocation();
  const last = useRef(path);
  useEffect(() => {
    if (last.current === path) return;
    last.current = path;
    // As a new document would: from its top, for the eye and for the keyboard.
    document.getElementById("content")?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }, [path]);
  return (
    <Switch>
      <Route path="/" component={JobsView} />
      <Route path="/start" component={StartView} />
      <Route path="/jobs/:job">{({ job }) => <JobView key={job} jobId={job} />}</Route>
      <Route path="/jobs/:job/products/:product">
        {({ job, product }) => <ProductView key={product} jobId={job} productId={product} />}
      </Route>
      <Route>
        <Redirect to="/" replace />
      </Route>
    </Switch>
  );
}
