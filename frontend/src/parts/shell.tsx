import type { ReactNode } from "react";
import { Link } from "wouter";
import { texts } from "../texts";

export function Shell({ tenant, children }: { readonly tenant?: string; readonly children: ReactNode }) {
  return (
    <>
      <a className="skip" href="#content">
        {texts.skip}
      </a>
      <header className="bar">
        <div className="bar-inside">
          <Link href="/" className="brand">
            <img src="/favicon.svg" alt="" width="28" height="28" />
            {texts.name}
          </Link>
          {tenant !== undefined && (
            <>
              <nav aria-label={texts.name}>
                <NavLink to="/">{texts.nav.jobs}</NavLink>
                <NavLink to="/start">{texts.nav.start}</NavLink>
              </nav>
              <span className="tenant" title={texts.nav.tenant}>
                {tenant}
              </span>
            </>
          )}
        </div>
      </header>
      <main id="content" tabIndex={-1}>
        {children}
      </main>
    </>
  );
}

function NavLink({ to, children }: { readonly to: string; readonly children: ReactNode }) {
  return (
    <Link href={to} className={(active) => (active ? "nav-link active" : "nav-link")}>
      {children}
    </Link>
  );
}
