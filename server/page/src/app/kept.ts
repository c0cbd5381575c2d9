// Small texts that the browser keeps. Where it keeps none, since a person or a policy forbids it or it is full, they last as long as the page.

type Kind = "localStorage" | "sessionStorage";

/** Texts under names: "localStorage" for all visits, "sessionStorage" for those of this browser tab. */
export class Kept {
  readonly #kind: Kind;
  readonly #fallback = new Map<string, string>();

  constructor(kind: Kind) {
    this.#kind = kind;
  }

  /** The text of a name; null if there is none. */
  get(name: string): string | null {
    const own = this.#fallback.get(name);
    if (own !== undefined) return own;
    try {
      return globalThis[this.#kind].getItem(name);
    } catch {
      return null;
    }
  }

  set(name: string, text: string): void {
    try {
      globalThis[this.#kind].setItem(name, text);
      this.#fallback.delete(name);
    } catch {
      this.#fallback.set(name, text);
    }
  }

  forget(name: string): void {
    this.#fallback.delete(name);
    try {
      globalThis[this.#kind].removeItem(name);
    } catch {
      // Nothing is kept.
    }
  }
}

export const everyVisit = new Kept("localStorage");
export const thisTab = new Kept("sessionStorage");
