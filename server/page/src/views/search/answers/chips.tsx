// What narrows the search now: conditions and feedback, each to be removed by itself.
import { EVERYWHERE, type Question } from "../../../query/question.ts";
import { refText } from "../../../query/address.ts";
import { change, question } from "../../../query/store.ts";
import { announce } from "../../../ui/announcer.tsx";
import { Button } from "../../../ui/button.tsx";
import { refine } from "./address-place.ts";
import { conditionsOf, groupingWords } from "../../../filters/conditions.ts";
import { withoutMark } from "./feedback.ts";
import { shortened, timeWords } from "../../../ui/words.ts";

export function Chips() {
  const asked = question.value;
  const conditions = conditionsOf(asked.where, (time) => timeWords(new Date(time)));
  // The space of the first chip is always reserved, so that hits do not move when you give feedback.
  if (conditions.length === 0 && asked.marks.length === 0 && !asked.groupBy) return <div class="chips" />;
  return (
    <ul class="chips" aria-label="Filters, grouping and feedback in use">
      {asked.groupBy && <Chip words={groupingWords(asked.groupBy)} remove="Remove grouping" onRemove={() => refine({ groupBy: "" })} />}
      {conditions.map(({ words, without }) => (
        <Chip key={words} words={words} remove="Remove filter" onRemove={() => refine({ where: without })} />
      ))}
      {asked.marks.map(({ image, unlike }) => (
        <Chip
          key={refText(image)} words={`${unlike ? "− Less" : "+ More"} like ${shortened(image.id, 22)}`} remove="Remove feedback"
          onRemove={() => change(withoutMark(asked, image))}
        />
      ))}
      <li><Button kind="plain" onClick={() => clear(asked)}>Clear all</Button></li>
    </ul>
  );
}

function Chip({ words, remove, onRemove }: { readonly words: string; readonly remove: string; readonly onRemove: () => void }) {
  const removed = () => {
    onRemove();
    announce(`${words}: removed`);
  };
  return <li><button class="chip" aria-label={`${remove}: ${words}`} onClick={removed}><bdi>{words}</bdi> <span aria-hidden="true">✕</span></button></li>;
}

function clear(asked: Question): void {
  change({ ...asked, where: EVERYWHERE, marks: [], groupBy: "" });
  announce("Filters, grouping and feedback removed");
}
