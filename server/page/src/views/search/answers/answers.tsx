// The answer to a search: hits, best first, and what can be done with them.
import { computed } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { scaleOf } from "../../../heat/colours.ts";
import { Legend } from "../../../heat/heat.tsx";
import { searchable } from "../../../query/question.ts";
import { answered, hits, more, searchAgain, searching } from "../../../query/searching.ts";
import { shown } from "../../../query/store.ts";
import { announce } from "../../../ui/announcer.tsx";
import { Dialog } from "../../../ui/dialog.tsx";
import { useRetry } from "../../../ui/use-retry.ts";
import { lowest, place } from "./address-place.ts";
import { Filters } from "./filters.tsx";
import { heatShown } from "./heat-choice.ts";
import { HitList, Skeletons } from "./hit-list.tsx";
import { NotAsked, NothingFound, Trouble } from "./nothing.tsx";
import { Toolbar } from "./toolbar.tsx";
import { useKeptFocus } from "./use-kept-focus.ts";
import { useMedia } from "../../../ui/use-media.ts";
import { Why } from "./why.tsx";
import { counted } from "../../../ui/words.ts";

const NARROW = "(max-width: 40rem)";
// Results follow the mouse while a region is drawn; they are announced once it stops.
const SETTLED_MS = 600;

// The scale is that of the first page, and stays as more pages are loaded, so that no colour changes while a person scrolls.
const scale = computed(() => scaleOf((searching.value.answer?.response.hits ?? []).flatMap(({ map }) => (map ? [map.values] : []))));

export function Answers() {
  const { pending, problem } = searching.value;
  const [filtersOpen, openFilters] = useState(false);
  const narrow = useMedia(NARROW), left = useRetry(hits.value.length ? problem : undefined, pending, searchAgain), asked = answered.value;
  const area = useRef<HTMLDivElement>(null);
  useAnnouncements();
  useKeptFocus(area);
  if (!searchable(shown.value)) return <div ref={area} id="answer" class="answer" tabIndex={-1}><NotAsked /></div>;
  const least = lowest.value, all = hits.value;
  const inSight = least === undefined ? all : all.filter(({ score }) => score >= least);
  return (
    <div ref={area} id="answer" class="answer" tabIndex={-1} aria-busy={pending}>
      <Toolbar hits={all} asked={asked} filtersOpen={filtersOpen} onFilters={() => openFilters(!filtersOpen)} />
      <div class="answer-body">
        {filtersOpen && !narrow && <aside class="filters-side sheet" aria-label="Filters"><Filters /></aside>}
        <div class="answer-hits">
          {heatShown.value && (all.length > 0 ? <Legend scale={scale.value} /> : pending && <p class="legend">&nbsp;</p>)}
          {all.length > 0
            ? <div class={pending ? "older" : ""}><HitList hits={all} scale={heatShown.value ? scale.value : undefined} /></div>
            : pending && !problem && asked !== shown.value
              ? <Skeletons />
              : asked && !problem && <NothingFound asked={asked} />}
          {problem && <Trouble problem={problem} left={left} hitsStay={all.length > 0} />}
        </div>
      </div>
      {filtersOpen && narrow && <Dialog title="Filters" onClose={() => openFilters(false)} drawer><Filters /></Dialog>}
      {place.value.hit && asked && <Why id={place.value.hit} asked={asked} hits={inSight} />}
    </div>
  );
}

function useAnnouncements(): void {
  const { pending, answer } = searching.value;
  useEffect(() => {
    if (pending || !answer) return;
    const number = answer.response.hits.length;
    const said = number === 0 ? "Nothing was found" : more.peek() ? `Best ${counted(number, "result")}; more as you scroll` : counted(number, "result");
    const timer = setTimeout(() => announce(said), SETTLED_MS);
    return () => clearTimeout(timer);
  }, [pending, answer]);
}
