// The maps of one hit to choose from: of its score, of each region, and of each whole query picture, each with its sum.
import { useMemo } from "preact/hooks";
import type { ActivationMap } from "../../../gen/partlens/v1/image_pb.ts";
import type { Hit } from "../../../gen/partlens/v1/part_search_service_pb.ts";
import { sums, type Scale } from "../../../heat/colours.ts";
import type { Question } from "../../../query/question.ts";
import { gridOn, sizeOf } from "../../../hits/hit-parts.ts";
import { HitPicture } from "../../../hits/hit-picture.tsx";
import { signedText } from "../../../ui/numbers.ts";

export interface NamedMap {
  readonly words: string;
  /** Undefined until it is there. */
  readonly map: ActivationMap | undefined;
}

/** Every map that a hit of a question has, or will have. */
export function mapsOf(asked: Question, hit: Hit): NamedMap[] {
  const several = asked.images.length > 1;
  return [
    { words: "Score", map: hit.map },
    ...asked.regions.map(({ image, exclude }, i) => ({
      words: `Region ${i + 1}${several ? ` on picture ${image + 1}` : ""}${exclude ? ", excluded" : ""}`, map: hit.regionMaps[i],
    })),
    ...asked.images.map((_, i) => ({ words: several ? `Whole picture ${i + 1}` : "Whole picture", map: hit.overallMaps[i] })),
  ];
}

interface Props {
  readonly maps: readonly NamedMap[];
  readonly hit: Hit;
  readonly url: string | undefined;
  readonly scale: Scale;
  readonly complete: boolean;
  readonly chosen: number;
  readonly onChoose: (index: number) => void;
}

export function WhyMaps({ maps, chosen, onChoose, ...shared }: Props) {
  return (
    <section class="stack" aria-label="Maps">
      <h3>Which map</h3>
      <ul class="why-maps">
        {maps.map((one, i) => <li key={one.words}><Choice {...shared} one={one} pressed={i === chosen} onPress={() => onChoose(i)} /></li>)}
      </ul>
      <p class="quiet">
        The map of a region is what this part adds to the similarity of the two whole pictures. All maps here have one scale.
      </p>
    </section>
  );
}

interface ChoiceProps {
  readonly one: NamedMap;
  readonly hit: Hit;
  readonly url: string | undefined;
  readonly scale: Scale;
  readonly complete: boolean;
  readonly pressed: boolean;
  readonly onPress: () => void;
}

function Choice({ one: { words, map }, hit, url, scale, complete, pressed, onPress }: ChoiceProps) {
  const grid = useMemo(() => gridOn(hit, map), [hit, map]);
  const total = useMemo(() => map && sums(map.values).sum, [map]);
  const heat = complete && map && grid ? { values: map.values, grid, scale } : undefined;
  return (
    <button class="why-map" aria-pressed={pressed} onClick={onPress}>
      <HitPicture url={url} size={sizeOf(hit)} heat={heat} />
      <span>{words}</span>
      <span class="number quiet">{total === undefined ? "…" : signedText(total)}</span>
    </button>
  );
}
