import { useEffect, useState } from "preact/hooks";
import type { RefObject } from "preact";

/** Whether an element is in the window, or nearly. */
export function useVisible(ref: RefObject<Element | null>, margin = "200px"): boolean {
  const [visible, setVisible] = useState(false);
  useEffect(() => {
    if (!ref.current) return;
    const observer = new IntersectionObserver((entries) => setVisible(entries.at(-1)?.isIntersecting ?? false), { rootMargin: margin });
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, [ref, margin]);
  return visible;
}
