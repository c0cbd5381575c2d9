// Fields for the conditions of a filter: cameras, time and attributes, with counts.
import { Fragment, type ComponentChildren } from "preact";
import { gallery } from "../api/server.ts";
import type { Where } from "../query/question.ts";
import { attributeWords, withAttributeToggled, withCameraToggled, withTrackToggled } from "./conditions.ts";
import { choices, type Counted, type Facet } from "./facets.ts";
import { counted, timeWords } from "../ui/words.ts";

// The last that an address holds; without it, some browsers take years of six digits.
const LATEST = "9999-12-31T23:59";

interface Props {
  readonly where: Where;
  readonly onChange: (where: Where) => void;
}

export function Conditions({ where, onChange, counts }: Props & { readonly counts: Counted | undefined }) {
  return (
    <>
      {counts && <Cameras facet={counts.cameras} where={where} onChange={onChange} />}
      {counts && <Tracks facet={counts.tracks} where={where} onChange={onChange} />}
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
  const toggle = (camera: string) => onChange(withCameraToggled(where, camera));
  if (choices(facet, where.cameras).length === 0) return null;
  return <Group title="Cameras"><Values facet={facet} chosen={where.cameras} onToggle={toggle} /></Group>;
}

function Tracks({ facet, where, onChange }: Props & { readonly facet: Facet }) {
  const toggle = (track: string) => onChange(withTrackToggled(where, track));
  if (choices(facet, where.tracks).length === 0) return null;
  return <Group title="Tracks"><Folded words="Track" facet={facet} chosen={where.tracks} onToggle={toggle} /></Group>;
}

interface ValuesProps {
  readonly facet: Facet;
  readonly chosen: readonly string[];
  readonly onToggle: (value: string) => void;
}

function Values({ facet, chosen, onToggle }: ValuesProps) {
  return (
    <>
      <ul class="filter-list">
        {choices(facet, chosen).map(({ value, images }) => (
          <li key={value}>
            <Check checked={chosen.includes(value)} onChange={() => onToggle(value)}><bdi>{value || "empty"}</bdi> <Count images={images} /></Check>
          </li>
        ))}
      </ul>
      <Rest facet={facet} />
    </>
  );
}

/** Values under a line that says what is chosen. */
function Folded({ words, ...values }: ValuesProps & { readonly words: string }) {
  const { chosen } = values;
  return (
    <details>
      <summary><bdi>{words}</bdi>: {chosen.length === 0 ? "any" : chosen.map((value, i) => <Fragment key={value}>{i > 0 && " or "}<bdi>{value || "empty"}</bdi></Fragment>)}</summary>
      <Values {...values} />
    </details>
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
      <input type="datetime-local" max={LATEST} value={value} onChange={(event) => onChange(event.currentTarget.value)} />
    </label>
  );
}

function Attributes({ facets, where, onChange }: Props & { readonly facets: readonly Facet[] }) {
  return (
    <Group title="Attributes">
      {facets.map((facet) => (
        <Folded
          key={facet.name} words={attributeWords(facet.name)} facet={facet} chosen={where.attributes.get(facet.name) ?? []}
          onToggle={(value) => onChange(withAttributeToggled(where, facet.name, value))}
        />
      ))}
    </Group>
  );
}
