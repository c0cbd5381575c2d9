// What a view shows in place of content: that it waits, that there is nothing, or what went wrong; with a way on.
import type { ComponentChildren } from "preact";
import type { Problem } from "../api/problem.ts";
import { Button } from "./button.tsx";
import { useRetry } from "./use-retry.ts";
import { againWords } from "./words.ts";

export function Loading({ text }: { readonly text: string }) {
  return (
    <div class="notice" role="status">
      <progress aria-hidden="true" />
      <p>{text}</p>
    </div>
  );
}

interface EmptyProps {
  readonly title: string;
  /** What a person can do next. */
  readonly children?: ComponentChildren;
}

export function Empty({ title, children }: EmptyProps) {
  return (
    <div class="notice">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

interface ProblemProps {
  readonly problem: Problem;
  /** Makes the call again: by itself once the problem may be over, or when a person presses the button. */
  readonly onRetry?: (() => void) | undefined;
  readonly children?: ComponentChildren;
}

export function ProblemNotice({ problem, onRetry, children }: ProblemProps) {
  const left = useRetry(onRetry && problem, false, () => onRetry?.()), retry = problem.way === "retry" && onRetry;
  return (
    <div class="notice problem" role="alert">
      <h2>{problem.title}</h2>
      <p>{problem.text}</p>
      {left !== undefined && <p class="quiet" aria-live="off">{againWords(left)}</p>}
      {(children ?? retry) && (
        <p class="row centred">
          {retry && <Button kind="primary" onClick={retry}>Try again</Button>}
          {children}
        </p>
      )}
    </div>
  );
}
