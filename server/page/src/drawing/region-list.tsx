// The regions of the question: what each is, whether it is wanted, and how much it counts.
import { withRegionChanged } from "../query/edits.ts";
import type { MarkedRegion } from "../query/question.ts";
import { searching } from "../query/searching.ts";
import { change, gridOf, preview, question, shown } from "../query/store.ts";
import { Button } from "../ui/button.tsx";
import { coveredBy, warningOf } from "./covered.ts";
import { toggleExclude } from "./shortcuts.ts";
import { hovered, remove, select, selected } from "./state.ts";
import { kindOf } from "./words.ts";

const LEAST = 0.1, MOST = 5;

export function RegionList() {
  const { regions, images } = shown.value;
  if (regions.length === 0) return null;
  return (
    <section class="stack" aria-label="Regions">
      <ul class="regions stack">
        {regions.map((one, index) => <Row key={index} one={one} index={index} several={images.length > 1} alone={regions.length === 1} />)}
      </ul>
      {regions.every((one) => one.exclude) && <p class="problem" role="status">Every region is excluded. Include one, or mark another part to look for.</p>}
    </section>
  );
}

/** What the server says against a region, without its number. */
function refusalOf(number: number): string | undefined {
  const text = searching.value.problem?.text ?? "", start = `Region ${number}: `;
  return text.startsWith(start) ? text.charAt(start.length).toUpperCase() + text.slice(start.length + 1) : undefined;
}

interface RowProps {
  readonly one: MarkedRegion;
  readonly index: number;
  readonly several: boolean;
  readonly alone: boolean;
}

function Row({ one, index, several, alone }: RowProps) {
  const { region, weight, exclude, image } = one, number = index + 1;
  const ref = shown.value.images[image], grid = ref && gridOf(ref);
  const warning = refusalOf(number) ?? (grid && warningOf(coveredBy(region, grid, ref)));
  const point = (on: boolean) => () => { hovered.value = on ? index : undefined; };
  const weighed = (value: number) => withRegionChanged(question.peek(), index, { weight: value });
  return (
    <li
      class={`region-row${selected.value === index ? " selected" : ""}`} onPointerEnter={point(true)} onPointerLeave={point(false)}
      onFocusIn={point(true)} onFocusOut={point(false)}
    >
      <button class="button plain region-name" type="button" title={`Select region ${number}`} onClick={() => select(index)}>
        <span class="unseen">Region </span>
        <span class={exclude ? "number-sign excluded" : "number-sign"}>{exclude ? `−${number}` : number}</span>
        <span>{kindOf(region)}{several && <span class="quiet"> on picture {image + 1}</span>}</span>
      </button>
      <Button label={`Exclude region ${number} (X)`} pressed={exclude} onClick={() => toggleExclude(index)}>Exclude</Button>
      <Button kind="plain" label={`Delete region ${number}`} onClick={() => remove(index)}>✕</Button>
      {!alone && (
        <label class="row weight">
          <span class="quiet">Weight</span>
          <input
            type="range" min={LEAST} max={MOST} step={0.1} value={weight} aria-label={`Weight of region ${number}`}
            onInput={(event) => preview(weighed(event.currentTarget.valueAsNumber))}
            onChange={(event) => change(weighed(event.currentTarget.valueAsNumber))}
          />
          <output class="number">{weight.toFixed(1)}</output>
        </label>
      )}
      {warning && <p class="warning">⚠ {warning}</p>}
    </li>
  );
}
