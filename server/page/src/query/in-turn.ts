// One piece of work at a time, and always the newest next: what follows a mouse must not flood a server.

/** Does one thing at a time. Of what is asked for meanwhile, only the newest is done next. */
export class InTurn<T> {
  readonly #work: (asked: T) => Promise<void>;
  readonly #pause: number;
  #waiting: { readonly asked: T } | undefined;
  #running = false;

  /**
   * @param work must not throw.
   * @param pause least time from one start to the next, in milliseconds.
   */
  constructor(work: (asked: T) => Promise<void>, pause = 0) {
    this.#work = work;
    this.#pause = pause;
  }

  /** Does this next, in place of what waits. */
  ask(asked: T): void {
    this.#waiting = { asked };
    if (!this.#running) void this.#run();
  }

  /** Forgets what waits; what runs goes on. */
  drop(): void {
    this.#waiting = undefined;
  }

  async #run(): Promise<void> {
    this.#running = true;
    for (let next = this.#waiting; next; next = this.#waiting) {
      this.#waiting = undefined;
      const earliest = Date.now() + this.#pause;
      await this.#work(next.asked);
      const wait = earliest - Date.now();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    }
    this.#running = false;
  }
}
