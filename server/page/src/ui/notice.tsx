// What a view shows in place of content: that it waits, that there is nothing, or what went wrong; with a way on.
import type { ComponentChildren } from "preact";
import type { Problem } from "../api/problem.ts";
import { Button } from "./button.tsx";

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
  readonly onRetry?: (() => void) | undefined;
  readonly children?: ComponentChildren;
}

export function ProblemNotice({ problem, onRetry, children }: ProblemProps) {
  return (
    <div class="notice problem" role="alert">
      <h2>{problem.title}</h2>
      <p>{problem.text}</p>
      {(children ?? onRetry) && (
        <p class="row centred">
          {onRetry && <Button kind="primary" onClick={onRetry}>Try again</Button>}
          {children}
        </p>
      )}
    </div>
  );
}
