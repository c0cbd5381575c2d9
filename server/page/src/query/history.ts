// Undo and redo over values that never change in place.

export interface History<T> {
  /** Oldest first. */
  readonly past: readonly T[];
  readonly present: T;
  /** Next first. */
  readonly future: readonly T[];
}

const MOST_STEPS = 200;

export function startOf<T>(present: T): History<T> {
  return { past: [], present, future: [] };
}

/** One step further; what was undone before can no longer be redone. */
export function stepped<T>({ past, present }: History<T>, next: T): History<T> {
  return { past: [...past, present].slice(-MOST_STEPS), present: next, future: [] };
}

/** One step back, if there is one. */
export function undone<T>(history: History<T>): History<T> {
  const last = history.past.at(-1);
  if (last === undefined) return history;
  return { past: history.past.slice(0, -1), present: last, future: [history.present, ...history.future] };
}

/** One step forward again, if there is one. */
export function redone<T>(history: History<T>): History<T> {
  const [next, ...future] = history.future;
  if (next === undefined) return history;
  return { past: [...history.past, history.present], present: next, future };
}

/** The history with every value replaced, for a change that is no step. */
export function rewritten<T>({ past, present, future }: History<T>, replace: (value: T) => T): History<T> {
  return { past: past.map(replace), present: replace(present), future: future.map(replace) };
}
