// Fields for the conditions of a filter: cameras, time and attributes, with counts.
import type { ComponentChildren } from "preact";
import { gallery } from "../api/server.ts";
import type { Where } from "../query/question.ts";
import { attributeWords, withAttribute, withCameraToggled } from "./conditions.ts";
import { choices, type Counted, type Facet } from "./facets.ts";
import { counted, timeWords } from "../ui/words.ts";

interface Props {
  readonly where: Where;
  readonly onChange: (where: Where) => void;
}

export function Conditions({ where, onChange, counts }: Props & { readonly counts: Counted | undefined }) {
  return (
    <>
      {counts && <Cameras facet={counts.cameras} where={where} onChange={onChange} />}
      <Track where={where} onChange={onChange} />
      <Times counts={counts} where={where} onChange={onChange} />
      {counts && counts.attributes.length > 0 && <Attributes facets={counts.attributes} where={where} onChange={onChange} />}
      <p class="quiet" role="status">
        {counts ? `${counted(counts.images, "picture")} of ${(gallery.value?.images ?? 0n).toLocaleString()} pass the filters` : "Counting…"}
      </p>
    </>
  );
}

export function Group({ title, children }: { readonly title: string; readonly children: ComponentChildren }) {
  return <fieldset class="filter-group"><legend>{title}</legend>{children}</fieldset>;
}

interface CheckProps {
  readonly checked: boolean;
  readonly onChange: (checked: boolean) => void;
  readonly children: ComponentChildren;
}

export function Check({ checked, onChange, children }: CheckProps) {
  return (
    <label class="check">
      <input type="checkbox" checked={checked} onChange={(event) => onChange(event.currentTarget.checked)} />
      <span>{children}</span>
    </label>
  );
}

function Cameras({ facet, where, onChange }: Props & { readonly facet: Facet }) {
  const values = choices(facet, where.cameras);
  if (values.length === 0) return null;
  return (
    <Group title="Cameras">
      <ul class="filter-list">
        {values.map(({ value, images }) => (
          <li key={value}>
            <Check checked={where.cameras.includes(value)} onChange={() => onChange(withCameraToggled(where, value))}>
              {value} <Count images={images} />
            </Check>
          </li>
        ))}
      </ul>
      <Rest facet={facet} />
    </Group>
  );
}

/** A track by its name: there may be too many to list. */
function Track({ where, onChange }: Props) {
  return (
    <Group title="Track">
      <input
        type="search" aria-label="Track" placeholder="Exact name" spellcheck={false} autocomplete="off" value={where.tracks.join(", ")}
        onChange={(event) => {
          const track = event.currentTarget.value.trim();
          onChange({ ...where, tracks: track ? [track] : [] });
        }}
      />
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

function Times({ counts, where, onChange }: Props & { readonly counts: Counted | undefined }) {
  const none = counts && counts.first === undefined && !where.after && !where.before;
  return (
    <Group title="Time">
      {none
        ? <p class="quiet">The times of these pictures are not known.</p>
        : (
          <>
            <Time words="From" value={where.after} onChange={(after) => onChange({ ...where, after })} />
            <Time words="Before" value={where.before} onChange={(before) => onChange({ ...where, before })} />
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

function Attributes({ facets, where, onChange }: Props & { readonly facets: readonly Facet[] }) {
  return (
    <Group title="Attributes">
      <div class="filter-attributes">{facets.map((facet) => <Attribute key={facet.name} facet={facet} where={where} onChange={onChange} />)}</div>
    </Group>
  );
}

function Attribute({ facet, where, onChange }: Props & { readonly facet: Facet }) {
  const chosen = where.attributes.get(facet.name);
  const values = choices(facet, chosen === undefined ? [] : [chosen]);
  // The first option is any value; a value of an attribute may be empty.
  const selected = chosen === undefined ? 0 : 1 + values.findIndex(({ value }) => value === chosen);
  const choose = (index: number) => onChange(withAttribute(where, facet.name, values[index - 1]?.value));
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
