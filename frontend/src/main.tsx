import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { TokenKeeper } from "./access/keeper";
import { App } from "./app";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/views.css";
import { locale } from "./texts";

const keeper = new TokenKeeper("BroadcastChannel" in globalThis ? new BroadcastChannel("levain") : null);
keeper.takeFromAddress();
addEventListener("hashchange", () => keeper.takeFromAddress());
document.documentElement.lang = locale;

const root = document.getElementById("page");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App keeper={keeper} />
    </StrictMode>,
  );
}
