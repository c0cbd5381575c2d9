import { useEffect, useRef, useState } from "preact/hooks";
import type { Problem } from "../api/problem.ts";

/**
 * Retries by itself once a problem may be over; returns the whole seconds until then, or undefined if it will not.
 *
 * @param pending whether it is being retried now.
 */
export function useRetry(problem: Problem | undefined, pending: boolean, retry: () => void): number | undefined {
  const [left, setLeft] = useState<number | undefined>(undefined), latest = useRef(retry);
  latest.current = retry;
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
    const ticking = setInterval(show, 500), retrying = setTimeout(() => latest.current(), due - Date.now());
    return () => {
      clearInterval(ticking);
      clearTimeout(retrying);
    };
  }, [problem, pending]);
  return left;
}
