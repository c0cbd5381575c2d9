// Asks before something is done that cannot be undone.
import type { ComponentChildren } from "preact";
import type { Problem } from "../api/problem.ts";
import { Button } from "./button.tsx";
import { Dialog } from "./dialog.tsx";

interface Props {
  readonly title: string;
  /** What the button says that does it. */
  readonly action: string;
  /** Whether it is being done. */
  readonly pending?: boolean;
  /** Why it did not work. */
  readonly problem?: Problem | undefined;
  readonly onConfirm: () => void;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}

export function Confirm({ title, action, pending = false, problem, onConfirm, onClose, children }: Props) {
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{children}</p>
      {problem && <p class="problem" role="alert"><strong>{problem.title}.</strong> {problem.text}</p>}
      <p class="row">
        <Button kind="danger" disabled={pending} onClick={onConfirm}>{action}</Button>
        <Button onClick={onClose}>Cancel</Button>
      </p>
    </Dialog>
  );
}
