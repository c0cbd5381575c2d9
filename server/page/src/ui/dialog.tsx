// A modal dialog. The browser keeps the focus inside; afterwards it returns to where it was.
import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { Button } from "./button.tsx";

interface Props {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
  /** Whether it takes most of the window. */
  readonly wide?: boolean;
  /** Whether it rises from the lower edge of the window, for phones. */
  readonly drawer?: boolean;
}

export function Dialog({ title, onClose, children, wide = false, drawer = false }: Props) {
  const dialog = useRef<HTMLDialogElement>(null), id = useId();
  // Not useEffect, whose cleanup waits for the next frame: keys pressed until then would be lost.
  useLayoutEffect(() => {
    const shown = dialog.current, before = document.activeElement;
    shown?.showModal();
    return () => {
      shown?.close();
      if (before instanceof HTMLElement || before instanceof SVGElement) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={dialog} class={`dialog${wide ? " wide" : ""}${drawer ? " drawer" : ""}`} aria-labelledby={id}
      onCancel={(event) => { event.preventDefault(); onClose(); }}
      onClick={(event) => { if (event.target === dialog.current) onClose(); }}
    >
      <div class="stack">
        <header class="row">
          <h2 id={id} class="grow">{title}</h2>
          <Button kind="plain" label="Close" onClick={onClose}>✕</Button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
