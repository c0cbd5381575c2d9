// Asks before something is done that cannot be undone.
import type { ComponentChildren } from "preact";
import { Button } from "./button.tsx";
import { Dialog } from "./dialog.tsx";

interface Props {
  readonly title: string;
  /** What the button says that does it. */
  readonly action: string;
  readonly onConfirm: () => void;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}

export function Confirm({ title, action, onConfirm, onClose, children }: Props) {
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{children}</p>
      <p class="row">
        <Button kind="danger" onClick={onConfirm}>{action}</Button>
        <Button onClick={onClose}>Cancel</Button>
      </p>
    </Dialog>
  );
}
