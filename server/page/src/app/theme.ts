// Dark or light: the system's choice, unless a person has chosen.
import { signal } from "@preact/signals";
import { everyVisit } from "./kept.ts";

const KEY = "partlens-theme";

export type Theme = "system" | "light" | "dark";

/** The chosen theme. */
export const theme = signal<Theme>(themeOf(everyVisit.get(KEY)));

/** Chooses a theme, and keeps the choice for the next visit. */
export function choose(chosen: Theme): void {
  theme.value = chosen;
  if (chosen === "system") everyVisit.forget(KEY);
  else everyVisit.set(KEY, chosen);
  applyTheme();
}

/** Puts the chosen theme on the page. */
export function applyTheme(): void {
  const root = document.documentElement;
  if (theme.value === "system") delete root.dataset["theme"];
  else root.dataset["theme"] = theme.value;
}

function themeOf(text: string | null): Theme {
  return text === "light" || text === "dark" ? text : "system";
}
