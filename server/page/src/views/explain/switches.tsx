// What is shown: which map, the bias, and which sign; and the scale of the colours.
import { Legend } from "../../heat/heat.tsx";
import type { Sign } from "../../heat/colours.ts";
import type { Explanation } from "../../explanation/explanation.ts";
import { change, explained, explanation } from "./pair-store.ts";
import { scaleNow } from "./shown.ts";

interface ChoiceProps<T> {
  readonly legend: string;
  readonly options: readonly (readonly [value: T, label: string])[];
  readonly value: T;
  readonly onChoose: (value: T) => void;
}

/** One of a few: radio buttons that look like one bar. */
function Choice<T extends string>({ legend, options, value, onChoose }: ChoiceProps<T>) {
  return (
    <fieldset class="choice">
      <legend>{legend}</legend>
      {options.map(([option, label]) => (
        <label key={option}>
          <input type="radio" name={legend} checked={option === value} onChange={() => onChoose(option)} />
          <span>{label}</span>
        </label>
      ))}
    </fieldset>
  );
}

const MAPS = [["partial", "A point or region"], ["overall", "Everything"]] as const satisfies [Explanation["map"], string][];
const SIGNS = [["both", "Both"], ["positive", "Only red"], ["negative", "Only blue"]] as const satisfies [Sign, string][];

export function Switches() {
  const now = explanation.value;
  return (
    <div class="explain-switches">
      <Choice legend="Show what matches" options={MAPS} value={now.map} onChoose={(map) => change({ ...now, map })} />
      <Choice legend="Colours" options={SIGNS} value={now.sign} onChoose={(sign) => change({ ...now, sign })} />
      <label class="check" title="What the model adds to every picture, wherever it looks">
        <input type="checkbox" checked={now.bias} onChange={() => change({ ...now, bias: !now.bias })} />
        <span>Include the bias</span>
      </label>
      <div class="explain-legend">{explained.value && <Legend scale={scaleNow.value} unit="" />}</div>
    </div>
  );
}
