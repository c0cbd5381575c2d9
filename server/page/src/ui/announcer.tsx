// Tells screen readers what has changed.
import { signal } from "@preact/signals";

const text = signal("");

/** Has screen readers say something, once they have finished what they say now. */
export function announce(said: string): void {
  // The same words twice are said again only if the text changes.
  text.value = said === text.peek() ? `${said}\u00a0` : said;
}

export function Announcer() {
  return <div class="unseen" role="status" aria-live="polite">{text.value}</div>;
}
