// Why an image was found: its picture, its map, and the sum that makes its score.
import { useEffect, useLayoutEffect, useMemo, useState } from "preact/hooks";
import type { Hit } from "../../../gen/partlens/v1/part_search_service_pb.ts";
import { scaleOf } from "../../../heat/colours.ts";
import { Legend } from "../../../heat/heat.tsx";
import { usePicture } from "../../../pictures/use-picture.ts";
import type { Question } from "../../../query/question.ts";
import { loadMore } from "../../../query/searching.ts";
import { announce } from "../../../ui/announcer.tsx";
import { Button } from "../../../ui/button.tsx";
import { Dialog } from "../../../ui/dialog.tsx";
import { Loading, ProblemNotice } from "../../../ui/notice.tsx";
import { scoreText } from "../../../ui/numbers.ts";
import { closeHit, showHit } from "./address-place.ts";
import { HitActions } from "./hit-actions.tsx";
import { boxOf, gridOn, refOfHit, sizeOf, thumbnailOf } from "../../../hits/hit-parts.ts";
import { HitPicture } from "../../../hits/hit-picture.tsx";
import { mapsOf, WhyMaps } from "./why-maps.tsx";
import { WhySum } from "./why-sum.tsx";
import { useDetails } from "./use-details.ts";
import { shortened } from "../../../ui/words.ts";

interface Props {
  readonly id: string;
  readonly asked: Question;
  /** The visible hits, for the previous and the next one. */
  readonly hits: readonly Hit[];
}

export function Why({ id, asked, hits }: Props) {
  const { answer, pending, problem, again } = useDetails(asked, id);
  const listed = hits.find((hit) => hit.id === id), index = listed ? hits.indexOf(listed) : -1;
  // An image that was deleted since the search is still listed.
  const details = answer?.id === id ? answer : undefined, hit = details ? details.hit : listed;
  const previous = hits[index - 1]?.id, next = index < 0 ? undefined : hits[index + 1]?.id;
  useArrowKeys(previous, next);
  useEffect(() => {
    // There may be more hits after the last visible one.
    if (index >= 0 && index >= hits.length - 3) void loadMore();
  }, [index, hits.length]);
  useEffect(() => {
    if (listed) announce(`Result ${index + 1}: ${listed.id}, score ${scoreText(listed.score)}`);
    // eslint-disable-next-line react-hooks/exhaustive-deps -- said once for each hit
  }, [id]);
  return (
    <Dialog title={`${index >= 0 ? `Result ${index + 1}: ` : ""}${shortened(id, 40)}`} onClose={closeHit} wide>
      <p class="row">
        <Button disabled={previous === undefined} onClick={() => previous !== undefined && showHit(previous)}>← Previous</Button>
        <Button disabled={next === undefined} onClick={() => next !== undefined && showHit(next)}>Next →</Button>
        <span class="quiet wide-only">or the left and right arrow keys</span>
      </p>
      {hit
        ? <Reasons hit={hit} complete={details !== undefined} asked={asked} />
        : pending && !problem
          ? <Loading text="Adding up the score" />
          : !problem && <p class="notice">This search does not find the image. It may be deleted, or left out by a filter.</p>}
      {problem && <ProblemNotice problem={problem} onRetry={again} />}
    </Dialog>
  );
}

function useArrowKeys(previous: string | undefined, next: string | undefined): void {
  useLayoutEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.target instanceof HTMLInputElement) return;
      const id = event.key === "ArrowLeft" ? previous : event.key === "ArrowRight" ? next : undefined;
      if (id === undefined) return;
      event.preventDefault();
      showHit(id);
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [previous, next]);
}

interface ReasonsProps {
  readonly hit: Hit;
  /** Whether its maps of regions are there. */
  readonly complete: boolean;
  readonly asked: Question;
}

function Reasons({ hit, complete, asked }: ReasonsProps) {
  const { shown } = usePicture(refOfHit(hit), Math.max(innerWidth, innerHeight) * devicePixelRatio * 0.6);
  const [chosen, choose] = useState(0);
  const url = shown?.url ?? thumbnailOf(hit), size = sizeOf(hit), box = boxOf(hit);
  const maps = useMemo(() => mapsOf(asked, hit), [asked, hit]);
  // One scale for all maps of this hit, so that they can be compared.
  const scale = useMemo(() => scaleOf(maps.flatMap(({ map }) => (map ? [map.values] : []))), [maps]);
  const current = maps[chosen] ?? maps[0], grid = useMemo(() => gridOn(hit, current?.map), [hit, current]);
  // Drawn only when the scale is known, so that no colour changes.
  const heat = complete && grid && current?.map ? { values: current.map.values, grid, scale } : undefined;
  return (
    <div class="why">
      <div class="stack why-picture">
        <HitPicture url={url} size={size} box={box} heat={heat} words={`${hit.id}, with the map “${current?.words ?? ""}”`} />
        {complete ? <Legend scale={scale} /> : <p class="legend">&nbsp;</p>}
        {shown?.reduced && <p class="quiet">The original is not available; this is its thumbnail.</p>}
      </div>
      <div class="stack">
        {hit.map && grid && <WhySum hit={hit} />}
        <WhyMaps maps={maps} hit={hit} url={url} scale={scale} complete={complete} chosen={chosen} onChoose={choose} />
        <HitActions hit={hit} original={!shown?.reduced} />
      </div>
    </div>
  );
}
