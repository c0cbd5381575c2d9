// The token of this browser tab. It is kept in session storage, and sent in a header only: never in a URL or a cookie.
import { signal } from "@preact/signals";

const KEY = "partlens-token";

/** The token, or "" without one. */
export const token = signal(sessionStorage.getItem(KEY) ?? "");

/** Uses a token from now on; "" forgets it. */
export function signIn(given: string): void {
  token.value = given.trim();
  if (token.value) sessionStorage.setItem(KEY, token.value);
  else sessionStorage.removeItem(KEY);
}
