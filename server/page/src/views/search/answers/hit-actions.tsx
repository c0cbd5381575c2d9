// What a person can do with a hit.
import { gallery } from "../../../api/server.ts";
import type { Hit } from "../../../gen/partlens/v1/part_search_service_pb.ts";
import type { Question } from "../../../query/question.ts";
import { branch, change, question } from "../../../query/store.ts";
import { answered } from "../../../query/searching.ts";
import { announce } from "../../../ui/announcer.tsx";
import { Button } from "../../../ui/button.tsx";
import { explainHref } from "../../../explanation/address.ts";
import { markOn, partOf, withMarkToggled } from "./feedback.ts";
import { boxOf, refOfHit } from "../../../hits/hit-parts.ts";
import { CopyId } from "../../../ui/copy-id.tsx";
import { Original } from "../../../pictures/original-button.tsx";

interface Props {
  readonly hit: Hit;
  /** Whether its original may be open to this page; false once the server has said that it cannot read it. */
  readonly original?: boolean;
}

export function HitActions({ hit, original = true }: Props) {
  const mark = markOn(question.value, refOfHit(hit));
  const full = !mark && question.value.marks.length >= (gallery.value?.limits?.marks ?? Infinity);
  const asked = answered.value;
  const toggle = (unlike: boolean) => {
    change(withMarkToggled(question.peek(), refOfHit(hit), unlike));
    announce(mark?.unlike === unlike ? "Feedback removed" : unlike ? "Searching for less like this" : "Searching for more like this");
  };
  return (
    <div class="hit-actions">
      <Button onClick={() => moreLikePart(hit)}>More like this part</Button>
      <span class="hit-pair" role="group" aria-label="Feedback">
        <Button pressed={mark?.unlike === false} disabled={full} onClick={() => toggle(false)}>+ More</Button>
        <Button pressed={mark?.unlike === true} disabled={full} onClick={() => toggle(true)}>− Less</Button>
      </span>
      <span class="hit-links">
        {asked && <a class="button plain" href={explainLink(asked, hit)}>Explain</a>}
        {original && hit.image?.uri && <Original id={hit.id} />}
        <CopyId id={hit.id} />
      </span>
    </div>
  );
}

function moreLikePart(hit: Hit): void {
  const box = boxOf(hit);
  if (!box) return;
  branch(partOf(question.peek(), hit.id, box));
  announce("Searching for the matched part of this picture");
  const area = document.getElementById("answer");
  area?.scrollIntoView({ block: "start" });
  area?.focus({ preventScroll: true });
}

/** The explanation of a hit: with the image that the first included region lies on, that image's regions, and the matched box. */
function explainLink(asked: Question, hit: Hit): string {
  const first = asked.regions.find((one) => !one.exclude)?.image ?? 0;
  const image = asked.images[first] ?? refOfHit(hit);
  const regions = asked.regions.filter((one) => one.image === first && !one.exclude);
  const box = boxOf(hit);
  const matched = box ? [{ side: "b" as const, region: { kind: "box" as const, ...box } }] : [];
  return explainHref(image, refOfHit(hit), [...regions.map(({ region }) => ({ side: "a" as const, region })), ...matched]);
}
