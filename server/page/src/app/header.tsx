import { gallery } from "../api/server.ts";
import { signIn, token } from "../api/session.ts";
import { Button } from "../ui/button.tsx";
import { VIEWS } from "../views/table.ts";
import { href } from "./route.ts";
import { choose, theme, type Theme } from "./theme.ts";

const THEMES: Readonly<Record<Theme, { readonly next: Theme; readonly label: string; readonly sign: string }>> = {
  system: { next: "light", label: "Colours: as the system", sign: "◐" },
  light: { next: "dark", label: "Colours: light", sign: "☀" },
  dark: { next: "system", label: "Colours: dark", sign: "☾" },
};

export function Header({ current }: { readonly current: string }) {
  const colours = THEMES[theme.value];
  const size = gallery.value?.images;
  return (
    <header class="header">
      <a class="brand" href={href("search")}>partlens</a>
      <nav aria-label="Views">
        <ul class="tabs">
          {VIEWS.filter((view) => view.listed).map((view) => (
            <li key={view.name}>
              <a href={href(view.name)} aria-current={view.name === current ? "page" : undefined}>{view.title}</a>
            </li>
          ))}
        </ul>
      </nav>
      <p class="quiet grow end">{size !== undefined && `${size.toLocaleString()} images`}</p>
      <Button kind="plain" label={colours.label} onClick={() => choose(colours.next)}>{colours.sign}</Button>
      {token.value && <Button kind="plain" onClick={() => signIn("")}>Sign out</Button>}
    </header>
  );
}
