import { useEffect, useRef, useState } from "preact/hooks";
import { problemOf, type Problem } from "../api/problem.ts";
import { EVERYWHERE, type Where } from "../query/question.ts";
import { listThumbnails, type Thumbnail } from "./thumbnails.ts";

const PAGE = 60;

interface Asked {
  /** Which images; all by default. */
  readonly where?: Where;
  /** What their ids begin with. */
  readonly prefix?: string;
  /** How long to wait before the first page is fetched. */
  readonly delayMs?: number;
  /** Another number fetches the first page again. */
  readonly turn?: number;
}

interface Pages {
  readonly thumbnails: readonly Thumbnail[];
  /** Token of the next page; "" after the last. */
  readonly next: string;
  readonly pending: boolean;
  readonly problem?: Problem | undefined;
}

const NONE: Pages = { thumbnails: [], next: "", pending: true };

/**
 * The images of the gallery, page by page. What was shown stays until its replacement is there.
 *
 * @param asked the same object until something else is asked for.
 */
export function usePages(asked: Asked): Pages & { readonly more: () => void } {
  const [pages, setPages] = useState<Pages>(NONE);
  const controller = useRef<AbortController>(undefined);
  const fetchPage = async (before: Pages) => {
    controller.current?.abort();
    const { signal } = (controller.current = new AbortController());
    setPages((shown) => ({ ...shown, pending: true }));
    try {
      const { where = EVERYWHERE, prefix = "" } = asked;
      const page = await listThumbnails({ pageSize: PAGE, pageToken: before.next, where, prefix }, signal);
      if (!signal.aborted) setPages({ thumbnails: [...before.thumbnails, ...page.thumbnails], next: page.next, pending: false });
    } catch (error) {
      const problem = problemOf(error);
      if (problem && !signal.aborted) setPages({ ...before, pending: false, problem });
    }
  };
  useEffect(() => {
    const timer = setTimeout(() => void fetchPage(NONE), asked.delayMs ?? 0);
    return () => {
      clearTimeout(timer);
      controller.current?.abort();
    };
    // eslint-disable-next-line react-hooks/exhaustive-deps -- fetchPage changes with what is asked only
  }, [asked]);
  return { ...pages, more: () => void fetchPage(pages) };
}
