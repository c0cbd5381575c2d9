import { shownGallery } from "../api/clients.ts";
import { galleries, show } from "../api/galleries.ts";
import { gallery } from "../api/server.ts";
import { signOut, token } from "../api/session.ts";
import { addressOf, question } from "../query/store.ts";
import { Button } from "../ui/button.tsx";
import { counted } from "../ui/words.ts";
import { maySee, VIEWS, type ViewRow } from "../views/table.ts";
import { href } from "./route.ts";
import { choose, theme, type Theme } from "./theme.ts";

const THEMES: Readonly<Record<Theme, { readonly next: Theme; readonly label: string; readonly sign: string }>> = {
  system: { next: "light", label: "Colours: as the system", sign: "◐" },
  light: { next: "dark", label: "Colours: light", sign: "☀" },
  dark: { next: "system", label: "Colours: dark", sign: "☾" },
};

/** @param current name of the view that is shown; "" for none. */
export function Header({ current }: { readonly current: string }) {
  const colours = THEMES[theme.value], { images, caller } = gallery.value ?? {};
  return (
    <header class="header">
      <a class="brand" href={href("search")}>partlens</a>
      <nav aria-label="Views">
        <ul class="tabs">
          {VIEWS.filter((view) => view.listed && maySee(view)).map((view) => (
            <li key={view.name}>
              <a href={addressIn(view.name)} aria-current={view.name === current ? "page" : undefined}>{view.title}<New view={view} /></a>
            </li>
          ))}
        </ul>
      </nav>
      <GalleryChoice />
      <p class="quiet grow end">{images !== undefined && counted(Number(images), "image")}</p>
      <Button kind="plain" label={colours.label} onClick={() => choose(colours.next)}>{colours.sign}</Button>
      {token.value && gallery.value && <Button kind="plain" label={caller ? `Sign out: ${caller.name}` : "Sign out"} onClick={signOut}>Sign out</Button>}
    </header>
  );
}

/** The galleries to choose from; nothing if there is no choice. */
function GalleryChoice() {
  const names = galleries.value, known = names.find(({ name, default: usual }) => (shownGallery ? name === shownGallery : usual));
  if (names.length < 2 && (known || names.length === 0)) return null;
  return (
    <select class="gallery-choice" aria-label="Gallery" value={known?.name ?? ""} onChange={(event) => show(event.currentTarget.value)}>
      {!known && <option value="" disabled>Choose a gallery</option>}
      {names.map(({ name }) => <option key={name} value={name}>{name}</option>)}
    </select>
  );
}

/** Where a tab leads: to the search as it was left, to the start of the other views. */
function addressIn(view: string): string {
  return view === "search" ? addressOf(question.value) : href(view);
}

/** How much of a view a person has not seen yet. */
function New({ view }: { readonly view: ViewRow }) {
  const number = view.unseen?.value ?? 0;
  if (number === 0) return null;
  return <>{" "}<span class="new-count">{number > 99 ? "99+" : number}<span class="unseen"> new</span></span></>;
}
