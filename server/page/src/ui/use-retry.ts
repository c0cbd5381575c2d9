import { useEffect, useState } from "preact/hooks";
import type { Problem } from "../api/problem.ts";

/**
 * Retries by itself once a problem may be over; returns the whole seconds until then, or undefined if it will not.
 *
 * @param pending whether it is being retried now.
 */
export function useRetry(problem: Problem | undefined, pending: boolean, retry: () => void): number | undefined {
  const [left, setLeft] = useState<number | undefined>(undefined);
  useEffect(() => {
    const seconds = problem?.retrySeconds;
    if (seconds === undefined) {
      setLeft(undefined);
      return;
    }
    if (pending) return;
    const due = Date.now() + 1000 * Math.max(seconds, 1);
    const show = () => setLeft(Math.max(0, Math.ceil((due - Date.now()) / 1000)));
    show();
    const ticking = setInterval(show, 500), retrying = setTimeout(retry, due - Date.now());
    return () => {
      clearInterval(ticking);
      clearTimeout(retrying);
    };
  }, [problem, pending, retry]);
  return left;
}
