// Shown if there are no hits: why, and what to do.
import { gallery, indexing, may } from "../../../api/server.ts";
import { signOut } from "../../../api/session.ts";
import type { Problem } from "../../../api/problem.ts";
import { href } from "../../../app/route.ts";
import { EVERYWHERE, type Question } from "../../../query/question.ts";
import { change, question } from "../../../query/store.ts";
import { searchAgain } from "../../../query/searching.ts";
import { Button } from "../../../ui/button.tsx";
import { Empty, ProblemNotice } from "../../../ui/notice.tsx";
import { refine } from "./address-place.ts";
import { conditionsOf } from "../../../filters/conditions.ts";
import { againWords } from "../../../ui/words.ts";

/** What to do before there is anything to search for. */
export function NotAsked() {
  const { images, regions } = question.value;
  if (gallery.value?.images === 0n) return <EmptyGallery />;
  if (images.length === 0) {
    return <Empty title="Results appear here"><p>Choose a picture, then mark the part of it that you look for.</p></Empty>;
  }
  if (regions.length === 0) {
    return <Empty title="Mark a part of the picture"><p>Draw around what you look for. The results follow as you draw.</p></Empty>;
  }
  return (
    <Empty title="Every region is excluded">
      <p>Mark a part that the results should contain, or include one of your regions.</p>
    </Empty>
  );
}

function EmptyGallery() {
  if (indexing.value) return <Empty title="The first pictures are being indexed"><p>You can search as soon as they are there.</p></Empty>;
  return (
    <Empty title="The gallery is empty">
      <p>There are no pictures to search yet.</p>
      {may("ingest") ? <p><a href={href("gallery")}>Add pictures to the gallery</a></p> : <p>Ask whoever runs this server to add some.</p>}
    </Empty>
  );
}

/** Why a search has found nothing. */
export function NothingFound({ asked }: { readonly asked: Question }) {
  if (gallery.value?.images === 0n) return <EmptyGallery />;
  if (conditionsOf(asked.where).length > 0) {
    return (
      <Empty title="No picture passes the filters">
        <p>Remove a filter above, or all of them.</p>
        <p><Button kind="primary" onClick={() => change({ ...question.peek(), where: EVERYWHERE })}>Clear the filters</Button></p>
      </Empty>
    );
  }
  if (asked.excludeIdentical) {
    return (
      <Empty title="No other picture was found">
        <p>Files identical to the query are left out, and there are no others to search.</p>
        <p><Button kind="primary" onClick={() => refine({ excludeIdentical: false })}>Include identical files</Button></p>
      </Empty>
    );
  }
  return <Empty title="Nothing was found"><p>There are no pictures to search.</p></Empty>;
}

interface TroubleProps {
  readonly problem: Problem;
  /** Seconds until the search is tried again by itself. */
  readonly left: number | undefined;
  /** Whether hits of an earlier search stay in sight. */
  readonly hitsStay: boolean;
}

/** Why a search failed: in place of hits, or over the hits of an earlier search, which stay where they are. */
export function Trouble({ problem, left, hitsStay }: TroubleProps) {
  const signing = problem.way === "sign-in" && <Button kind="primary" onClick={signOut}>Use another token</Button>;
  if (!hitsStay) {
    return (
      <ProblemNotice problem={problem} onRetry={searchAgain}>{signing || undefined}</ProblemNotice>
    );
  }
  return (
    <div class="trouble" role="alert">
      <p class="grow"><strong>{problem.title}.</strong> {problem.text} <span class="quiet">The results are those of the previous search. {againWords(left)}</span></p>
      {problem.way === "retry" && <Button onClick={searchAgain}>Try again</Button>}
      {signing}
    </div>
  );
}
