// One hit of the grid.
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { useMemo, useRef } from "preact/hooks";
import type { Hit } from "../../../gen/partlens/v1/part_search_service_pb.ts";
import { withGroup } from "../../../filters/conditions.ts";
import type { Scale } from "../../../heat/colours.ts";
import { scoreText } from "../../../ui/numbers.ts";
import { answered } from "../../../query/searching.ts";
import { question } from "../../../query/store.ts";
import { Button } from "../../../ui/button.tsx";
import { openHit, refine } from "./address-place.ts";
import { othersWords } from "./group-words.ts";
import { HitActions } from "./hit-actions.tsx";
import { gridOn, sizeOf, thumbnailOf } from "../../../hits/hit-parts.ts";
import { HitPicture } from "../../../hits/hit-picture.tsx";
import { useVisible } from "../../../ui/use-visible.ts";
import { shortened, timeWords } from "../../../ui/words.ts";

// Pixels of a map's canvas. Small, as results follow the mouse and all maps are redrawn.
const HEAT_SIDE = 96;

interface Props {
  readonly hit: Hit;
  readonly rank: number;
  /** The scale of all maps; undefined to show none. */
  readonly scale: Scale | undefined;
}

export function HitCard({ hit, rank, scale }: Props) {
  const card = useRef<HTMLLIElement>(null), visible = useVisible(card);
  const url = useMemo(() => thumbnailOf(hit), [hit]);
  const grid = useMemo(() => gridOn(hit, hit.map), [hit]);
  // Maps are drawn only while visible: a page may hold hundreds.
  const heat = visible && scale && grid && hit.map ? { values: hit.map.values, grid, scale, side: HEAT_SIDE } : undefined;
  const score = scoreText(hit.score);
  const { camera, capturedAt } = hit.image?.metadata ?? {};
  return (
    <li ref={card} class="hit sheet">
      <button class="hit-picture" aria-label={`Why result ${rank}, score ${score}? ${hit.id}`} onClick={() => openHit(hit.id)}>
        <HitPicture url={url} size={sizeOf(hit)} box={hit.box} heat={heat} />
        <span class="hit-why" aria-hidden="true">Why?</span>
      </button>
      <div class="hit-words">
        <p class="hit-head">
          <span class="quiet" title={camera}>{rank}{camera && ` · Camera ${shortened(camera, 26)}`}</span><strong class="number">{score}</strong>
        </p>
        <p class="hit-id" title={hit.id}>{shortened(hit.id, 26)}</p>
        {capturedAt && <p class="quiet">{timeWords(timestampDate(capturedAt))}</p>}
        {hit.group && <Group hit={hit} />}
      </div>
      <HitActions hit={hit} />
    </li>
  );
}

/** The group that a hit is the best of; a press shows all of it. */
function Group({ hit: { group, othersInGroup } }: { readonly hit: Hit }) {
  const others = othersWords(othersInGroup), by = answered.value?.groupBy;
  const name = <bdi title={group}>{shortened(group, 26)}</bdi>;
  if (!others || !by) return <p class="quiet">{name}</p>;
  return (
    <p class="quiet">
      {name}{" "}
      <Button kind="plain" onClick={() => refine({ where: withGroup(question.peek().where, by, group), groupBy: "" })}>{others}</Button>
    </p>
  );
}

/** A placeholder for a hit. */
export function HitSkeleton() {
  return (
    <li class="hit sheet skeleton" aria-hidden="true">
      <div class="hit-picture"><div class="frame" /></div>
      <div class="hit-words"><p class="bar" /><p class="bar" /></div>
      <div class="hit-actions"><p class="bar tall" /><p class="bar tall" /></div>
    </li>
  );
}
