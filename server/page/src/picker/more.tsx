// The end of a list that has more pages.
import { useEffect, useRef } from "preact/hooks";
import { Button } from "../ui/button.tsx";

/** Fetches more once it comes into view, or is pressed. */
export function More({ onShown, pending }: { readonly onShown: () => void; readonly pending: boolean }) {
  const place = useRef<HTMLDivElement>(null), latest = useRef(onShown);
  latest.current = onShown;
  useEffect(() => {
    const watched = place.current;
    if (!watched || pending) return;
    const observer = new IntersectionObserver(([entry]) => { if (entry?.isIntersecting) latest.current(); }, { rootMargin: "400px" });
    observer.observe(watched);
    return () => observer.disconnect();
  }, [pending]);
  return <div ref={place} class="row centred"><Button disabled={pending} onClick={onShown}>{pending ? "Fetching more" : "More"}</Button></div>;
}
