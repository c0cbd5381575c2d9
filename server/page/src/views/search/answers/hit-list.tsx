// The grid of hits, which loads more pages as you scroll.
import { useEffect, useRef } from "preact/hooks";
import type { Hit } from "../../../gen/partlens/v1/part_search_service_pb.ts";
import type { Scale } from "../../../heat/colours.ts";
import { loadMore, more, morePending, moreProblem, searchAgain, searching } from "../../../query/searching.ts";
import { Button } from "../../../ui/button.tsx";
import { moveFocus } from "../../../ui/move-focus.ts";
import { useRetry } from "../../../ui/use-retry.ts";
import { hideBelow, lowest } from "./address-place.ts";
import { HitCard, HitSkeleton } from "./hit-card.tsx";
import { hiddenBelow } from "./scores.ts";
import { useVisible } from "../../../ui/use-visible.ts";
import { againWords, counted } from "../../../ui/words.ts";

const SKELETONS = 12;

export function HitList({ hits, scale }: { readonly hits: readonly Hit[]; readonly scale: Scale | undefined }) {
  const least = lowest.value;
  const shown = least === undefined ? hits : hits.filter((hit) => hit.score >= least);
  return (
    <>
      <ol class="hits" aria-label="Results, best first" onKeyDown={moveFocus}>
        {shown.map((hit, i) => <HitCard key={hit.id} hit={hit} rank={i + 1} scale={scale} />)}
      </ol>
      {hiddenBelow(hits.map(({ score }) => score), least) > 0
        ? <Hidden number={hits.length - shown.length} all={shown.length === 0} />
        : <More loaded={hits.length} />}
    </>
  );
}

/** Placeholders until the first hits arrive. */
export function Skeletons() {
  return <ol class="hits" aria-label="Searching">{Array.from({ length: SKELETONS }, (_, i) => <HitSkeleton key={i} />)}</ol>;
}

function Hidden({ number, all }: { readonly number: number; readonly all: boolean }) {
  return (
    <div class="after-hits">
      <p>{all ? "All results score lower than the value that you set." : `${counted(number, "result")} with lower scores ${number === 1 ? "is" : "are"} hidden.`}</p>
      <Button onClick={() => hideBelow(undefined)}>Show all scores</Button>
    </div>
  );
}

function More({ loaded }: { readonly loaded: number }) {
  const end = useRef<HTMLDivElement>(null), near = useVisible(end, "600px");
  const problem = moreProblem.value, stale = problem?.reason === "PAGE_TOKEN_STALE";
  const wanted = near && more.value && !morePending.value && !problem;
  useEffect(() => {
    if (wanted) void loadMore();
  }, [wanted, loaded]);
  const left = useRetry(stale ? undefined : problem, morePending.value, loadOn);
  return (
    <div ref={end} class="after-hits">
      {problem && (
        <div role="alert">
          <p class="problem"><strong>{problem.title}.</strong> {problem.text}</p>
          {left !== undefined && <p class="quiet">{againWords(left)}</p>}
        </div>
      )}
      {stale
        ? <Button kind="primary" onClick={searchAgain}>Search again</Button>
        : more.value
          ? <Button disabled={morePending.value} onClick={() => void loadMore()}>{morePending.value ? "Loading more…" : "Show more results"}</Button>
          : !searching.value.pending && !searching.value.problem && <p class="quiet">These are all {counted(loaded, "result")}.</p>}
    </div>
  );
}

function loadOn(): void {
  void loadMore();
}
