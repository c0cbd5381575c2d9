// Calls as signals that a view shows: pending, an answer, or a problem. A newer call cancels the one before it.
import { signal, type ReadonlySignal } from "@preact/signals";
import { problemOf, type Problem } from "./problem.ts";

export interface CallState<T> {
  readonly pending: boolean;
  /** The newest answer; it stays while a newer call is pending or has failed. */
  readonly answer?: T | undefined;
  readonly problem?: Problem | undefined;
}

/** One call at a time: what is asked last is shown last, whatever order the answers come in. */
export class LatestCall<T> {
  readonly #state = signal<CallState<T>>({ pending: false });
  #controller: AbortController | undefined;
  #last: ((signal: AbortSignal) => Promise<T>) | undefined;

  get state(): ReadonlySignal<CallState<T>> {
    return this.#state;
  }

  /** Cancels the call in progress and makes another; resolves to its answer, or undefined if it failed or was replaced. */
  async run(call: (signal: AbortSignal) => Promise<T>): Promise<T | undefined> {
    this.#last = call;
    this.#controller?.abort();
    const controller = (this.#controller = new AbortController());
    this.#state.value = { ...this.#state.peek(), pending: true };
    try {
      const answer = await call(controller.signal);
      if (this.#controller !== controller) return undefined;
      this.#state.value = { pending: false, answer };
      return answer;
    } catch (error) {
      if (this.#controller !== controller) return undefined;
      this.#state.value = { pending: false, answer: this.#state.peek().answer, problem: problemOf(error) };
      return undefined;
    }
  }

  /** Makes the last call again. */
  readonly again = (): void => {
    if (this.#last) void this.run(this.#last);
  };

  /** Cancels the call in progress, and forgets answer and problem. */
  clear(): void {
    this.#controller?.abort();
    this.#controller = this.#last = undefined;
    this.#state.value = { pending: false };
  }
}
