import type { RefObject } from "preact";
import { useLayoutEffect } from "preact/hooks";

/**
 * Keeps the focus in an element when the part of it that has the focus disappears, so that a keyboard does not start again at the
 * top of the page.
 */
export function useKeptFocus(ref: RefObject<HTMLElement | null>): void {
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    let inside = false;
    const entered = () => { inside = true; };
    const left = (event: FocusEvent) => { inside = event.relatedTarget === null; };
    const observer = new MutationObserver(() => {
      if (inside && document.activeElement === document.body) element.focus({ preventScroll: true });
    });
    element.addEventListener("focusin", entered);
    element.addEventListener("focusout", left);
    observer.observe(element, { childList: true, subtree: true });
    return () => {
      element.removeEventListener("focusin", entered);
      element.removeEventListener("focusout", left);
      observer.disconnect();
    };
  }, [ref]);
}
