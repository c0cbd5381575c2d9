// The search: the query on one side, the answers on the other; below each other on a phone.
import { useEffect, useRef } from "preact/hooks";
import { route } from "../../app/route.ts";
import { Ask } from "../../drawing/ask.tsx";
import { useDroppedPictures } from "../../drawing/drop.ts";
import { useShortcuts } from "../../drawing/shortcuts.ts";
import { Start } from "../../drawing/start.tsx";
import { roomy } from "../../drawing/state.ts";
import { hits, startSearching } from "../../query/searching.ts";
import { followAddress, shown } from "../../query/store.ts";
import { addFiles, startKeeping } from "../../query/uploads.ts";
import { Button } from "../../ui/button.tsx";
import { Answers } from "./answers/answers.tsx";
import { useKeptFocus } from "./answers/use-kept-focus.ts";

export function SearchView() {
  const at = route.value, view = useRef<HTMLDivElement>(null);
  useEffect(() => followAddress(), [at]);
  useEffect(() => startSearching(), []);
  useEffect(() => startKeeping(), []);
  useShortcuts();
  useKeptFocus(view);
  const over = useDroppedPictures(addFiles), started = shown.value.images.length > 0;
  return <div ref={view} class="search-view" tabIndex={-1}>{started ? <Started over={over} /> : <Start over={over} />}</div>;
}

/** A search with a picture. */
function Started({ over }: { readonly over: boolean }) {
  const query = useRef<HTMLElement>(null), answers = useRef<HTMLElement>(null);
  return (
    <div class={`search${over ? " over" : ""}${roomy.value ? " wide" : ""}`}>
      <section ref={query} class="query stack" aria-label="Query" tabIndex={-1}>
        <h1 class="unseen">Search</h1>
        <Ask />
      </section>
      <section ref={answers} class="answers" aria-label="Results" tabIndex={-1}>
        <Answers />
      </section>
      <nav class="between" aria-label="Parts of this page">
        <Button onClick={() => show(query.current)}>Query</Button>
        <Button onClick={() => show(answers.current)}>{hits.value.length ? `Results (${hits.value.length})` : "Results"}</Button>
      </nav>
      {over && <p class="drop-note" role="status">Drop to add to this search</p>}
    </div>
  );
}

function show(section: HTMLElement | null): void {
  section?.scrollIntoView({ block: "start" });
  section?.focus({ preventScroll: true });
}
