// Saves a search as a standing query, with a threshold chosen on a histogram of the gallery's scores.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { LatestCall } from "../api/call.ts";
import { searchService, standingService } from "../api/clients.ts";
import { problemOf, type Problem } from "../api/problem.ts";
import { gallery } from "../api/server.ts";
import { go, href } from "../app/route.ts";
import { MapKind } from "../gen/partlens/v1/part_search_service_pb.ts";
import type { Question } from "../query/question.ts";
import { toRequest } from "../query/request.ts";
import { announce } from "../ui/announcer.tsx";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Loading, ProblemNotice } from "../ui/notice.tsx";
import { scoreText } from "../ui/numbers.ts";
import { matching, rangeOf, suggested } from "./histogram.ts";
import { Histogram } from "./histogram-bars.tsx";

const MOST_SCORES = 1000;

interface Props {
  readonly question: Question;
  readonly onClose: () => void;
}

export function SaveDialog({ question, onClose }: Props) {
  const call = useMemo(() => new LatestCall<readonly number[]>(), []);
  useEffect(() => {
    void call.run((signal) => galleryScores(question, signal));
    return () => call.clear();
  }, [call, question]);
  const { answer: scores, problem } = call.state.value;
  return (
    <Dialog title="Watch for this" onClose={onClose}>
      {scores
        ? <Form question={question} scores={scores} onClose={onClose} />
        : problem
          ? <ProblemNotice problem={problem} onRetry={call.again} />
          : <Loading text="Looking at the scores of the gallery's images" />}
    </Dialog>
  );
}

function Form({ question, scores, onClose }: Props & { readonly scores: readonly number[] }) {
  const [name, setName] = useState(""), field = useRef<HTMLInputElement>(null);
  // The form comes after its dialog, too late for autofocus.
  useLayoutEffect(() => field.current?.focus(), []);
  const [threshold, setThreshold] = useState(() => suggested(scores));
  const [problem, setProblem] = useState<Problem | undefined>();
  const [saving, setSaving] = useState(false);
  const save = async () => {
    setSaving(true);
    try {
      await standingService.createStandingQuery({ ...toRequest(question), name: name.trim(), threshold });
      announce("Saved. You will see new matches under Watch.");
      onClose();
      go(href("watch"));
    } catch (error) {
      setProblem(problemOf(error));
      setSaving(false);
    }
  };
  return (
    <form class="stack" onSubmit={(event) => { event.preventDefault(); void save(); }}>
      <p>Every image that is added from now on is compared with this search. You see it under Watch if its score is high enough.</p>
      <label class="field">
        <span>Name</span>
        <input ref={field} required maxLength={256} value={name} onInput={(event) => setName(event.currentTarget.value)} />
      </label>
      <Threshold scores={scores} value={threshold} onChange={setThreshold} />
      {problem && <p class="problem" role="alert"><strong>{problem.title}.</strong> {problem.text}</p>}
      <p class="row">
        <Button kind="primary" type="submit" disabled={saving}>{saving ? "Saving…" : "Save"}</Button>
        <Button onClick={onClose}>Cancel</Button>
      </p>
    </form>
  );
}

interface ThresholdProps {
  readonly scores: readonly number[];
  readonly value: number;
  readonly onChange: (threshold: number) => void;
}

function Threshold({ scores, value, onChange }: ThresholdProps) {
  // The range stays while the threshold moves.
  const [low, high] = useMemo(() => rangeOf(scores), [scores]);
  return (
    <fieldset class="stack threshold">
      <legend>Lowest score</legend>
      <Histogram scores={scores} threshold={value} low={low} high={high} />
      <input
        class="threshold-slider" type="range" min={low} max={high} step={0.001} value={value} aria-label="Lowest score"
        onInput={(event) => onChange(Number(event.currentTarget.value))}
      />
      <div class="row between-ends">
        <span class="quiet number">{scoreText(low)}</span>
        <input
          type="number" step={0.001} value={value} required aria-label="Lowest score, as a number"
          onInput={(event) => { if (event.currentTarget.value) onChange(Number(event.currentTarget.value)); }}
        />
        <span class="quiet number">{scoreText(high)}</span>
      </div>
      <p role="status">{matchedWords(scores, value)}</p>
    </fieldset>
  );
}

function matchedWords(scores: readonly number[], threshold: number): string {
  if (scores.length === 0) return "There is no image to compare with yet.";
  const matched = matching(scores, threshold);
  const more = matched === scores.length && matched >= MOST_SCORES ? "At least " : "";
  return `${more}${matched.toLocaleString()} of the gallery's images would have matched.`;
}

/** The best scores of the gallery's images: pages without maps or pictures, so that they cost little. */
async function galleryScores(question: Question, signal: AbortSignal): Promise<readonly number[]> {
  const scores: number[] = [];
  let pageToken = "";
  do {
    const request = { ...toRequest(question), maps: [MapKind.NONE], pageSize: pageSizeOf(), pageToken };
    const page = await searchService.searchRegions(request, { signal });
    scores.push(...page.hits.map(({ score }) => score));
    pageToken = page.nextPageToken;
  } while (pageToken && scores.length < MOST_SCORES);
  return scores;
}

function pageSizeOf(): number {
  return gallery.peek()?.limits?.searchPageSize ?? 20;
}
