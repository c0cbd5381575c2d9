// Whether a person can see this tab, and whether it is the one tab that stays connected when none is seen.
import { signal } from "@preact/signals";

/** Whether this tab is shown. */
export const visible = signal(document.visibilityState === "visible");

/** Whether this is the one tab of this server that stays connected in the background. */
export const elected = signal(false);

/** Keeps both signals current. */
export function followVisibility(): void {
  document.addEventListener("visibilitychange", () => (visible.value = document.visibilityState === "visible"));
  // Browsers open about six connections to a server for all tabs together. Without locks (on connections that are not secure),
  // no tab in the background keeps one.
  if (!("locks" in navigator)) return;
  void navigator.locks.request("partlens-connected", () => {
    elected.value = true;
    return new Promise(() => undefined);
  });
}
