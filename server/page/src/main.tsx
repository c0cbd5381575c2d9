import { render } from "preact";
import { start } from "./api/server.ts";
import { App } from "./app/app.tsx";
import { follow } from "./app/route.ts";
import { applyTheme } from "./app/theme.ts";
import { followVisibility } from "./app/visible.ts";
import { startWatching } from "./views/watch/matches.ts";
import "./styles/page.css";

const root = document.getElementById("app");
if (root) {
  root.replaceChildren();
  applyTheme();
  follow();
  followVisibility();
  start();
  startWatching();
  render(<App />, root);
}
