// A dialog to pick an image of the gallery.
import { useEffect, useRef, useState } from "preact/hooks";
import { problemOf, type Problem } from "../../api/problem.ts";
import type { ImageRef } from "../../query/question.ts";
import { Button } from "../../ui/button.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { Empty, Loading, ProblemNotice } from "../../ui/notice.tsx";
import { listThumbnails, type Thumbnail } from "./thumbnails.ts";

const PAGE = 60;
// A pause in typing after which an id is looked up.
const TYPING_MS = 250;

interface Props {
  readonly onPick: (ref: ImageRef) => void;
  readonly onClose: () => void;
}

export function Picker({ onPick, onClose }: Props) {
  const [typed, setTyped] = useState("");
  const { thumbnails, next, pending, problem, more } = usePages(typed.trim());
  return (
    <Dialog title="Pick from the gallery" wide onClose={onClose}>
      <label class="field">
        <span>Id of the image, if you know it</span>
        <input type="search" value={typed} spellcheck={false} autocomplete="off" onInput={(event) => setTyped(event.currentTarget.value)} />
      </label>
      <ul class="thumbnails picker">
        {thumbnails.map((one) => (
          <li key={one.id}>
            <button class="thumbnail" type="button" title={one.id} onClick={() => onPick({ kind: "gallery", id: one.id })}>
              {one.url ? <img src={one.url} alt="" /> : <span class="quiet">No thumbnail</span>}
              <span class="cut">{one.id}</span>
            </button>
          </li>
        ))}
      </ul>
      {problem && <ProblemNotice problem={problem} onRetry={more} />}
      {pending && thumbnails.length === 0 && <Loading text="Fetching images" />}
      {!pending && !problem && thumbnails.length === 0 && (
        typed.trim()
          ? <Empty title="No image has exactly this id"><p>Ids are compared letter by letter. Clear the field to browse.</p></Empty>
          : <Empty title="The gallery is empty" />
      )}
      {next && !problem && <More onShown={more} pending={pending} />}
    </Dialog>
  );
}

/** Fetches more once it comes into view, or is pressed. */
function More({ onShown, pending }: { readonly onShown: () => void; readonly pending: boolean }) {
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

interface Pages {
  readonly id: string;
  readonly thumbnails: readonly Thumbnail[];
  readonly next: string;
  readonly pending: boolean;
  readonly problem?: Problem | undefined;
}

function usePages(id: string): Pages & { readonly more: () => void } {
  const [pages, setPages] = useState<Pages>({ id: "", thumbnails: [], next: "", pending: true });
  const controller = useRef<AbortController>(undefined);
  const fetchPage = async (before: Pages) => {
    controller.current?.abort();
    const { signal } = (controller.current = new AbortController());
    setPages({ ...before, pending: true, problem: undefined });
    try {
      const page = await listThumbnails({ pageSize: PAGE, pageToken: before.next, ids: before.id ? [before.id] : [] }, signal);
      if (!signal.aborted) setPages({ ...before, thumbnails: [...before.thumbnails, ...page.thumbnails], next: page.next, pending: false });
    } catch (error) {
      const problem = problemOf(error);
      if (problem && !signal.aborted) setPages({ ...before, pending: false, problem });
    }
  };
  useEffect(() => {
    const timer = setTimeout(() => void fetchPage({ id, thumbnails: [], next: "", pending: true }), id ? TYPING_MS : 0);
    return () => {
      clearTimeout(timer);
      controller.current?.abort();
    };
  }, [id]);
  return { ...pages, more: () => void fetchPage(pages) };
}
