// Which images are searched, and how hits are ordered.
import type { ComponentChildren } from "preact";
import { gallery } from "../../../api/server.ts";
import type { Score } from "../../../query/question.ts";
import { change, question } from "../../../query/store.ts";
import { ProblemNotice } from "../../../ui/notice.tsx";
import { refine } from "./address-place.ts";
import { attributeWords, withAttribute, withCameraToggled, withCamerasLeftOut } from "./conditions.ts";
import { choices, type Counted, type Facet } from "./facets.ts";
import { useQueryCameras } from "./query-cameras.ts";
import { useFacets } from "./use-facets.ts";
import { counted, timeWords } from "./words.ts";

const SCORES: readonly (readonly [Score, string])[] = [
  ["default", "Recommended"],
  ["context", "Part and surroundings"],
  ["part", "Part only"],
  ["whole", "Share of the whole"],
];

export function Filters() {
  const { answer: counts, pending, problem } = useFacets(question.value.where);
  return (
    <div class="filters" aria-busy={pending}>
      <Order attributes={counts?.attributes ?? []} />
      <LeaveOut />
      {problem && !counts && <ProblemNotice problem={problem} />}
      {counts && <Cameras facet={counts.cameras} />}
      <Times counts={counts} />
      {counts && counts.attributes.length > 0 && <Attributes facets={counts.attributes} />}
      <p class="quiet" role="status">
        {counts ? `${counted(counts.images, "picture")} of ${(gallery.value?.images ?? 0n).toLocaleString()} pass the filters` : "Counting…"}
      </p>
    </div>
  );
}

function Group({ title, children }: { readonly title: string; readonly children: ComponentChildren }) {
  return <fieldset class="filter-group"><legend>{title}</legend>{children}</fieldset>;
}

function Order({ attributes }: { readonly attributes: readonly Facet[] }) {
  const { score, groupBy } = question.value;
  const groups = new Map([["", "Every picture"], ["track", "Best of each track"], ["camera", "Best of each camera"]]);
  for (const { name } of attributes) groups.set(`attribute:${name}`, `Best of each ${attributeWords(name).toLowerCase()}`);
  if (!groups.has(groupBy)) groups.set(groupBy, `Best of each ${groupBy.replace("attribute:", "")}`);
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
          {[...groups].map(([value, words]) => <option key={value} value={value}>{words}</option>)}
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

interface CheckProps {
  readonly checked: boolean;
  readonly onChange: (checked: boolean) => void;
  readonly children: ComponentChildren;
}

function Check({ checked, onChange, children }: CheckProps) {
  return (
    <label class="check">
      <input type="checkbox" checked={checked} onChange={(event) => onChange(event.currentTarget.checked)} />
      <span>{children}</span>
    </label>
  );
}

function Cameras({ facet }: { readonly facet: Facet }) {
  const { where } = question.value, values = choices(facet, where.cameras);
  if (values.length === 0) return null;
  return (
    <Group title="Cameras">
      <ul class="filter-list">
        {values.map(({ value, images }) => (
          <li key={value}>
            <Check checked={where.cameras.includes(value)} onChange={() => refine({ where: withCameraToggled(question.peek().where, value) })}>
              {value} <Count images={images} />
            </Check>
          </li>
        ))}
      </ul>
      <Rest facet={facet} />
    </Group>
  );
}

function Count({ images }: { readonly images: number }) {
  return <span class="quiet number">{images.toLocaleString()}</span>;
}

function Rest({ facet }: { readonly facet: Facet }) {
  if (facet.distinct <= facet.values.length) return null;
  return <p class="quiet">The {facet.values.length} most frequent of {facet.distinct.toLocaleString()}.</p>;
}

function Times({ counts }: { readonly counts: Counted | undefined }) {
  const { where } = question.value;
  const none = counts && counts.first === undefined && !where.after && !where.before;
  return (
    <Group title="Time">
      {none
        ? <p class="quiet">The times of these pictures are not known.</p>
        : (
          <>
            <Time words="From" value={where.after} onChange={(after) => refine({ where: { ...question.peek().where, after } })} />
            <Time words="Before" value={where.before} onChange={(before) => refine({ where: { ...question.peek().where, before } })} />
            {counts?.first !== undefined && counts.last !== undefined && (
              <p class="quiet">Pictures from {timeWords(new Date(counts.first))} to {timeWords(new Date(counts.last))}.</p>
            )}
            {where.after && where.before && where.after >= where.before && <p class="problem" role="alert">“From” must be earlier than “Before”.</p>}
          </>
        )}
    </Group>
  );
}

function Time({ words, value, onChange }: { readonly words: string; readonly value: string; readonly onChange: (value: string) => void }) {
  return (
    <label class="field">
      <span>{words}</span>
      <input type="datetime-local" value={value} onChange={(event) => onChange(event.currentTarget.value)} />
    </label>
  );
}

function Attributes({ facets }: { readonly facets: readonly Facet[] }) {
  return (
    <Group title="Attributes">
      <div class="filter-attributes">{facets.map((facet) => <Attribute key={facet.name} facet={facet} />)}</div>
    </Group>
  );
}

function Attribute({ facet }: { readonly facet: Facet }) {
  const chosen = question.value.where.attributes.get(facet.name);
  const values = choices(facet, chosen === undefined ? [] : [chosen]);
  // The first option is any value; a value of an attribute may be empty.
  const selected = chosen === undefined ? 0 : 1 + values.findIndex(({ value }) => value === chosen);
  const choose = (index: number) => refine({ where: withAttribute(question.peek().where, facet.name, values[index - 1]?.value) });
  return (
    <label class="field">
      <span>{attributeWords(facet.name)}</span>
      <select value={selected} onChange={(event) => choose(Number(event.currentTarget.value))}>
        <option value={0}>Any</option>
        {values.map(({ value, images }, index) => <option key={value} value={index + 1}>{value || "empty"} ({images.toLocaleString()})</option>)}
      </select>
      <Rest facet={facet} />
    </label>
  );
}
