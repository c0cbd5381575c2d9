// Which images are searched, and how hits are ordered.
import type { Score } from "../../../query/question.ts";
import { change, question } from "../../../query/store.ts";
import { ProblemNotice } from "../../../ui/notice.tsx";
import { refine } from "./address-place.ts";
import { Check, Conditions, Group } from "../../../filters/condition-fields.tsx";
import { groupingWords, withCamerasLeftOut } from "../../../filters/conditions.ts";
import type { Facet } from "../../../filters/facets.ts";
import { useQueryCameras } from "./query-cameras.ts";
import { useFacets } from "../../../filters/use-facets.ts";

const SCORES: readonly (readonly [Score, string])[] = [
  ["default", "Recommended"],
  ["context", "Part and surroundings"],
  ["part", "Part only"],
  ["whole", "Share of the whole"],
];

export function Filters() {
  const { answer: counts, pending, problem, again } = useFacets(question.value.where);
  return (
    <div class="filters" aria-busy={pending}>
      <Order cameras={counts?.cameras.distinct ?? 0} attributes={counts?.attributes ?? []} />
      <LeaveOut />
      {problem && !counts && <ProblemNotice problem={problem} onRetry={again} />}
      <Conditions where={question.value.where} counts={counts} onChange={(where) => refine({ where })} />
    </div>
  );
}

interface OrderProps {
  /** Number of cameras of the images that pass the filters. */
  readonly cameras: number;
  readonly attributes: readonly Facet[];
}

function Order({ cameras, attributes }: OrderProps) {
  const { score, groupBy } = question.value;
  const offered = ["", "track", ...(cameras > 0 ? ["camera"] : []), ...attributes.map(({ name }) => `attribute:${name}`)];
  const groups = new Set([...offered, groupBy]);
  return (
    <Group title="Results">
      <label class="field">
        <span>Rank by</span>
        <select value={score} onChange={(event) => setScore(event.currentTarget.value)}>
          {SCORES.map(([value, words]) => <option key={value} value={value}>{words}</option>)}
        </select>
      </label>
      <label class="field">
        <span>Show</span>
        <select value={groupBy} onChange={(event) => refine({ groupBy: event.currentTarget.value })}>
          {[...groups].map((by) => <option key={by} value={by}>{groupingWords(by) || "Every picture"}</option>)}
        </select>
      </label>
    </Group>
  );
}

function setScore(chosen: string): void {
  const score = SCORES.find(([value]) => value === chosen)?.[0];
  // Scores of another kind are other numbers: the slider starts anew.
  if (score) change({ ...question.peek(), score });
}

function LeaveOut() {
  const { images, where, excludeIdentical } = question.value;
  const cameras = useQueryCameras(images);
  const out = cameras.length > 0 && cameras.every((camera) => where.excludeCameras.includes(camera));
  return (
    <Group title="Leave out">
      <Check checked={excludeIdentical} onChange={(checked) => refine({ excludeIdentical: checked })}>Files identical to the query</Check>
      {cameras.length > 0 && (
        <Check checked={out} onChange={(checked) => refine({ where: withCamerasLeftOut(where, cameras, checked) })}>
          Camera {cameras.join(", ")}: other cameras only
        </Check>
      )}
    </Group>
  );
}
