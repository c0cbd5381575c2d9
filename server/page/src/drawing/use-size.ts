import { useEffect, useState } from "preact/hooks";

/** The width of an element in CSS pixels; 0 until it is known. */
export function useWidth(element: { readonly current: Element | null }): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const watched = element.current;
    if (!watched) return;
    const observer = new ResizeObserver(() => setWidth(watched.getBoundingClientRect().width));
    observer.observe(watched);
    return () => observer.disconnect();
  }, [element]);
  return width;
}
