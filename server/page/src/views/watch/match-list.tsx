// The matches of this visit, newest first, each with its map.
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { useMemo } from "preact/hooks";
import { href } from "../../app/route.ts";
import type { WatchMatchesResponse } from "../../gen/partlens/v1/standing_query_service_pb.ts";
import { scaleOf, type Scale } from "../../heat/colours.ts";
import { Legend } from "../../heat/heat.tsx";
import { usePicture } from "../../pictures/use-picture.ts";
import { boxOf, gridOn, refOfHit, sizeOf } from "../../hits/hit-parts.ts";
import { HitPicture } from "../../hits/hit-picture.tsx";
import { scoreText } from "../../ui/numbers.ts";
import { shortened, timeWords } from "../../ui/words.ts";
import { keyOf } from "./inbox.ts";
import { matches } from "./matches.ts";

const SIDE = 512;

export function MatchList() {
  const all = matches.value;
  // One scale for all of them; the oldest do not make it jump, since they stay.
  const scale = useMemo(() => scaleOf(all.flatMap(({ hit }) => (hit?.map ? [hit.map.values] : []))), [all]);
  return (
    <>
      <Legend scale={scale} />
      <ol class="hits" aria-label="Matches, newest first">
        {all.map((match) => <Match key={keyOf(match)} match={match} scale={scale} />)}
      </ol>
    </>
  );
}

function Match({ match, scale }: { readonly match: WatchMatchesResponse; readonly scale: Scale }) {
  const { hit, standingQueryName } = match;
  return hit ? <Matched hit={hit} name={standingQueryName || "Unnamed"} scale={scale} /> : null;
}

interface Props {
  readonly hit: NonNullable<WatchMatchesResponse["hit"]>;
  readonly name: string;
  readonly scale: Scale;
}

function Matched({ hit, name, scale }: Props) {
  const { shown } = usePicture(refOfHit(hit), SIDE, false);
  const grid = useMemo(() => gridOn(hit, hit.map), [hit]);
  const { camera, capturedAt } = hit.image?.metadata ?? {};
  return (
    <li class="hit sheet">
      <a class="hit-picture" href={href("image", hit.id)}>
        <HitPicture
          url={shown?.url} size={sizeOf(hit)} box={boxOf(hit)} words={`${hit.id}, which matches ${name}`}
          heat={grid && hit.map && { values: hit.map.values, grid, scale }}
        />
      </a>
      <div class="hit-words">
        <p class="hit-head"><span title={name}>{shortened(name, 60)}</span><strong class="number">{scoreText(hit.score)}</strong></p>
        <p class="hit-id" title={hit.id}>{shortened(hit.id, 26)}</p>
        <p class="quiet">{[camera && `Camera ${shortened(camera, 26)}`, capturedAt && timeWords(timestampDate(capturedAt))].filter(Boolean).join(" · ")}</p>
      </div>
    </li>
  );
}
