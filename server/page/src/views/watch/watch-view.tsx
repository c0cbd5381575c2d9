// Standing queries, and the matches of new images as they arrive.
import { useEffect } from "preact/hooks";
import { href } from "../../app/route.ts";
import { Button } from "../../ui/button.tsx";
import { Loading, ProblemNotice } from "../../ui/notice.tsx";
import { clearMatches, markSeen, matches, unseen, watching, watchProblem, type Watching } from "./matches.ts";
import { MatchList } from "./match-list.tsx";
import { QueryRow } from "./query-row.tsx";
import { changeProblem, list, standingQueries } from "./standing-queries.ts";

export function WatchView() {
  useEffect(list, []);
  // Without standing queries there is nothing to wait for.
  const waiting = standingQueries.value.answer?.length !== 0 || matches.value.length > 0;
  const arrived = unseen.value;
  useEffect(() => {
    if (arrived > 0) markSeen();
  }, [arrived]);
  return (
    <div class="watch">
      <section class="stack" aria-labelledby="watch-queries">
        <h1 id="watch-queries">Standing queries</h1>
        <Queries />
      </section>
      {waiting && (
        <section class="stack watch-matches" aria-labelledby="watch-matches">
          <div class="row">
            <h2 id="watch-matches" class="grow">New matches</h2>
            <State state={watching.value} />
            {matches.value.length > 0 && <Button onClick={clearMatches}>Clear the list</Button>}
          </div>
          {matches.value.length > 0 ? <MatchList /> : <p class="quiet">Matches of images that are added from now on appear here.</p>}
        </section>
      )}
    </div>
  );
}

function Queries() {
  const { answer, problem } = standingQueries.value;
  if (problem && !answer) return <ProblemNotice problem={problem} onRetry={list} />;
  if (!answer) return <Loading text="Loading the standing queries" />;
  const failed = changeProblem.value ?? problem;
  return (
    <>
      {failed && <p class="problem" role="alert"><strong>{failed.title}.</strong> {failed.text}</p>}
      {answer.length === 0
        ? <p>None yet. <a href={href("search")}>Search for a part</a>, then choose “Watch for this”.</p>
        : <ul class="stack">{answer.map((query) => <QueryRow key={query.id} query={query} />)}</ul>}
    </>
  );
}

const STATES: Readonly<Record<Watching, string>> = {
  off: "Not watching",
  connecting: "Connecting…",
  live: "● Watching",
  lost: "Connection lost, trying again…",
};

function State({ state }: { readonly state: Watching }) {
  const problem = state === "lost" ? watchProblem.value : undefined;
  return <p class={`watch-state ${state === "lost" ? "problem" : "quiet"}`} role="status">{STATES[state]}{problem && ` ${problem.text}`}</p>;
}
