// Above the hits: how many there are, what narrows them, and what can be done with all of them.
import { useState } from "preact/hooks";
import { may } from "../../../api/server.ts";
import type { Hit } from "../../../gen/partlens/v1/part_search_service_pb.ts";
import { more, outdated, searchAgain, searching } from "../../../query/searching.ts";
import type { Question } from "../../../query/question.ts";
import { Button } from "../../../ui/button.tsx";
import { SaveDialog } from "../../../standing/save-dialog.tsx";
import { Chips } from "./chips.tsx";
import { conditionsOf } from "../../../filters/conditions.ts";
import { heatShown, showHeat } from "./heat-choice.ts";
import { ScoreSlider } from "./score-slider.tsx";
import { SearchReport } from "./search-report.tsx";
import { counted } from "../../../ui/words.ts";

interface Props {
  readonly hits: readonly Hit[];
  /** The question that the hits answer; undefined before the first answer. */
  readonly asked: Question | undefined;
  readonly filtersOpen: boolean;
  readonly onFilters: () => void;
}

export function Toolbar({ hits, asked, filtersOpen, onFilters }: Props) {
  const [open, setOpen] = useState<"report" | "watch" | undefined>(undefined);
  const conditions = asked ? conditionsOf(asked.where).length : 0;
  const close = () => setOpen(undefined);
  return (
    <div class="toolbar">
      <div class="grow row">
        <h2>{resultWords(hits.length)}</h2>
        {outdated.value && hits.length > 0 && <Button kind="plain" label="Update: the gallery has changed since this search" onClick={searchAgain}>Update</Button>}
      </div>
      <Button pressed={filtersOpen} onClick={onFilters}>Filters{conditions > 0 && ` (${conditions})`}</Button>
      <Button pressed={heatShown.value} onClick={() => showHeat(!heatShown.peek())}>Heat maps</Button>
      {may("search") && <Button disabled={!asked} onClick={() => setOpen("report")}>Report</Button>}
      {may("search") && <Button disabled={!asked} onClick={() => setOpen("watch")}>Watch for this</Button>}
      <ScoreSlider scores={hits.map(({ score }) => score)} />
      <Chips />
      {asked && open === "report" && <SearchReport question={asked} onClose={close} />}
      {asked && open === "watch" && <SaveDialog question={asked} onClose={close} />}
    </div>
  );
}

function resultWords(number: number): string {
  const { answer, pending, problem } = searching.value;
  if (!answer) return pending ? "Searching…" : "Results";
  // While a newer search is pending, or if it failed, the visible hits may still be the first of several pages.
  const partial = more.value || ((pending || problem !== undefined) && answer.response.nextPageToken !== "");
  return partial ? `Best ${counted(number, "result")}` : counted(number, "result");
}
