import type { ComponentChildren } from "preact";

interface Props {
  readonly children: ComponentChildren;
  /** "primary": what most people want next; "plain": no border; "danger": deletes something. */
  readonly kind?: "primary" | "usual" | "plain" | "danger";
  readonly type?: "button" | "submit";
  /** Its name where the children are only a sign. */
  readonly label?: string;
  readonly pressed?: boolean;
  readonly disabled?: boolean;
  readonly onClick?: () => void;
}

export function Button({ children, kind = "usual", type = "button", label, pressed, disabled, onClick }: Props) {
  return (
    <button
      class={`button ${kind}`} type={type} aria-label={label} title={label} aria-pressed={pressed} disabled={disabled}
      onClick={onClick}
    >
      {children}
    </button>
  );
}
