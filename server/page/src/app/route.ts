// Where the page is. The whole state is in the fragment, which browsers never send to a server.
import { signal } from "@preact/signals";
import { nameIn, withName, withoutName } from "../api/gallery-name.ts";

const shownGallery = nameIn(location.hash);

export interface Route {
  /** Name of the view, such as "search". */
  readonly view: string;
  /** What follows the view, such as the id of an image; "" if nothing does. */
  readonly rest: string;
  readonly parameters: URLSearchParams;
}

/** A route of a fragment such as "#/image/a%2F1.jpg?at=2". */
export function parse(fragment: string): Route {
  const [path, query] = split(fragment.replace(/^#?\/?/, ""), "?");
  const [view, rest] = split(path, "/");
  return { view: view || "search", rest: decoded(rest), parameters: withoutName(new URLSearchParams(query)) };
}

/** The fragment of a route in the gallery that is shown, for links. */
export function href(view: string, rest = "", parameters: URLSearchParams = new URLSearchParams()): string {
  const query = withName(parameters, shownGallery).toString();
  return `#/${view}${rest && `/${encodeURIComponent(rest)}`}${query && `?${query}`}`;
}

/** The current route. */
export const route = signal(parse(location.hash));

/** Goes to a place that the back button returns from. */
export function go(fragment: string): void {
  location.hash = fragment;
}

/** Changes the address of the place where the page is, without a step for the back button. */
export function replace(fragment: string): void {
  if (location.hash === fragment) return;
  try {
    history.replaceState(history.state, "", fragment);
  } catch {
    // Browsers allow only so many changes in a short time; the next one that they allow has the newest state.
  }
  route.value = parse(fragment);
}

export function follow(): void {
  addEventListener("hashchange", () => {
    // Nothing that this page holds belongs to another gallery.
    if (nameIn(location.hash) === shownGallery) route.value = parse(location.hash);
    else location.reload();
  });
}

function split(text: string, by: string): [string, string] {
  const at = text.indexOf(by);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
