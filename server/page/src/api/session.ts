// The token of this browser tab. It is kept in session storage, and sent in a header only: never in a URL or a cookie.
import { signal } from "@preact/signals";
import { thisTab } from "../app/kept.ts";

const KEY = "partlens-token";

/** The token, or "" without one. */
export const token = signal(thisTab.get(KEY) ?? "");

/** Number of calls that failed because their token was refused or the server was away; after each, the page looks at the server again. */
export const doubts = signal(0);

/** Uses a token from now on; "" forgets it. */
export function signIn(given: string): void {
  token.value = given.trim();
  if (token.value) thisTab.set(KEY, token.value);
  else thisTab.forget(KEY);
}

/** Forgets the token, and everything that this page has fetched or been given. */
export function signOut(): void {
  thisTab.forget(KEY);
  history.replaceState(null, "", "#/");
  location.reload();
}
