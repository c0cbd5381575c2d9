import { useEffect, useRef, useState } from "preact/hooks";

interface Selection {
  readonly ids: ReadonlySet<string>;
  /** Selects an image or not; with `range`, everything between it and the one before. */
  readonly select: (id: string, selected: boolean, range: boolean) => void;
  readonly all: () => void;
  readonly clear: () => void;
}

/** Which of the listed images are selected. Images that are no longer listed are not. */
export function useSelection(listed: readonly string[]): Selection {
  const [ids, setIds] = useState<ReadonlySet<string>>(new Set());
  const last = useRef("");
  useEffect(() => {
    setIds((before) => {
      const kept = listed.filter((id) => before.has(id));
      return kept.length === before.size ? before : new Set(kept);
    });
  }, [listed]);
  const select = (id: string, selected: boolean, range: boolean) => {
    const here = listed.indexOf(id), there = range ? listed.indexOf(last.current) : -1;
    const changed = there < 0 ? [id] : listed.slice(Math.min(here, there), Math.max(here, there) + 1);
    last.current = id;
    setIds((before) => {
      const after = new Set(before);
      for (const one of changed) {
        if (selected) after.add(one);
        else after.delete(one);
      }
      return after;
    });
  };
  return { ids, select, all: () => setIds(new Set(listed)), clear: () => setIds(new Set()) };
}
