// Why two pictures are similar: point at one, and see what matches in the other.
import { useEffect, useState } from "preact/hooks";
import { gallery } from "../../api/server.ts";
import { useShortcuts } from "../../drawing/shortcuts.ts";
import { Toolbar } from "../../drawing/toolbar.tsx";
import { Button } from "../../ui/button.tsx";
import { Loading, ProblemNotice } from "../../ui/notice.tsx";
import { decimal } from "../../ui/numbers.ts";
import { SIDES, swapped } from "../../explanation/explanation.ts";
import { change, explainAgain, explained, explanation, imageProblem, pairState, rowsProblem, startExplaining } from "./pair-store.ts";
import { PairReport } from "./pair-report.tsx";
import { startPinning } from "./pin-sheet.ts";
import { Pins } from "./pins.tsx";
import { pointAway } from "./shown.ts";
import { SidePanel } from "./side-panel.tsx";
import { Sum } from "./sum.tsx";
import { Switches } from "./switches.tsx";
import { chooseFile, fileOf } from "./uploads.ts";

export function ExplainView() {
  useEffect(startExplaining, []);
  useEffect(startPinning, []);
  useShortcuts();
  useEffect(() => pointAway, []);
  useEffect(() => {
    addEventListener("paste", paste);
    return () => removeEventListener("paste", paste);
  }, []);
  const [reporting, setReporting] = useState(false);
  const now = explanation.value, pair = explained.value?.pair;
  const comparable = now.a && now.b && SIDES.every((side) => !imageProblem(side));
  return (
    <div class="explain stack">
      <header class="row">
        <h1 class="grow">
          Explain
          {pair && <span class="explain-score number"> similarity {decimal(pair.similarity, 4)}</span>}
        </h1>
        {pair && <Button onClick={() => setReporting(true)}>Report</Button>}
        <Button label="Swap A and B" disabled={!now.a && !now.b} onClick={() => change(swapped(now))}>⇄ Swap</Button>
      </header>
      {comparable ? <Toolbar /> : <p>Choose two pictures to see which parts of one match which parts of the other.</p>}
      <div class="explain-pair">{SIDES.map((side) => <SidePanel key={side} side={side} />)}</div>
      {comparable && <Switches />}
      <Problems />
      {pair && (
        <div class="explain-numbers">
          <section class="stack" aria-labelledby="explain-pins"><h2 id="explain-pins">Pins</h2><Pins /></section>
          <Sum pair={pair} />
        </div>
      )}
      {!pair && pairState.value.pending && <Loading text="Comparing the two pictures" />}
      {reporting && <PairReport onClose={() => setReporting(false)} />}
    </div>
  );
}

function Problems() {
  const { problem } = pairState.value, more = rowsProblem.value;
  const bias = gallery.value?.model?.biasShare ?? 0;
  return (
    <>
      {problem && <ProblemNotice problem={problem} onRetry={explainAgain} />}
      {more && <p class="problem" role="alert"><strong>{more.title}.</strong> {more.text}</p>}
      {bias > 0.5 && explained.value && (
        <p class="explain-warning">
          <strong>These maps tell only a small part.</strong> About {Math.min(99, Math.round(100 * bias))}% of what this model says of a
          picture is bias: the same for every picture, and at no place of it.
        </p>
      )}
    </>
  );
}

/** A pasted picture goes to the first side without one, else to B. */
function paste(event: ClipboardEvent): void {
  if (event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement) return;
  const file = fileOf(event.clipboardData), now = explanation.peek();
  if (file) void chooseFile(now.a ? "b" : "a", file);
}
