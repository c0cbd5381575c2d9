// Hides hits below a score.
import { scoreText } from "../../../ui/numbers.ts";
import { hideBelow, lowest, slide } from "./address-place.ts";
import { hiddenBelow, rangeOf } from "./scores.ts";

export function ScoreSlider({ scores }: { readonly scores: readonly number[] }) {
  const known = rangeOf(scores), range = known ?? { lowest: 0, highest: 1 };
  const value = Math.min(Math.max(lowest.value ?? range.lowest, range.lowest), range.highest);
  const hidden = hiddenBelow(scores, lowest.value);
  return (
    <label class="slider">
      <span>Hide scores below</span>
      <input
        disabled={!known} type="range" min={range.lowest} max={range.highest} step={0.001} value={value}
        aria-valuetext={`${scoreText(value)}, ${hidden} hidden`}
        onInput={(event) => slide(event.currentTarget.valueAsNumber)}
        onChange={(event) => {
          const chosen = event.currentTarget.valueAsNumber;
          hideBelow(chosen > range.lowest ? chosen : undefined);
        }}
      />
      <span class="number">{known ? scoreText(lowest.value ?? range.lowest) : "–"}</span>
      <span class="quiet slider-hidden">{hidden > 0 ? `${hidden} hidden` : ""}</span>
    </label>
  );
}
