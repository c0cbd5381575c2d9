// A score as an equation, checked, and what it means.
import { useMemo } from "preact/hooks";
import type { Hit } from "../../../gen/partlens/v1/part_search_service_pb.ts";
import { scoreText, signedText } from "../../../ui/numbers.ts";
import { boxOf, gridOn } from "../../../hits/hit-parts.ts";
import { redInside, sumOf } from "./sum.ts";

export function WhySum({ hit }: { readonly hit: Hit }) {
  const sum = useMemo(() => sumOf(hit.map?.values ?? [], hit.constant, hit.score), [hit]);
  const inside = useMemo(() => {
    const grid = gridOn(hit, hit.map), box = boxOf(hit);
    return grid && box && hit.map ? redInside(hit.map.values, grid, box) : undefined;
  }, [hit]);
  return (
    <section class="stack" aria-label="The sum that makes the score">
      <p class="equation">
        <Term value={signedText(sum.red)} words="red" kind="red" />
        <Term value={signedText(sum.blue)} words="blue" kind="blue" />
        <Term value={signedText(sum.constant)} words="constant" kind="constant" />
        <span class="equals">=</span>
        <Term value={scoreText(sum.total)} words="score" kind="total" />
      </p>
      {sum.agrees
        ? <p class="quiet">✓ Added up here from the map: it is the score that the server ranked by.</p>
        : <p class="problem" role="alert">This sum is not the server’s score, {scoreText(hit.score)}. Do not rely on this map.</p>}
      <p>
        Red places make the picture more similar to what you marked, blue ones less.
        {inside !== undefined && <> Of the red, <strong>{Math.round(100 * inside)} %</strong> lies in the matched box.</>}
        {scoreText(sum.constant) !== scoreText(0) && " The constant belongs to no place: the model adds it to every picture."}
      </p>
    </section>
  );
}

function Term({ value, words, kind }: { readonly value: string; readonly words: string; readonly kind: string }) {
  return <span class={`term ${kind}`}><strong class="number">{value}</strong> <span class="quiet">{words}</span></span>;
}
