// One side: which image it is, the picture itself or a way to choose one, and its numbers.
import { useState } from "preact/hooks";
import { Grid } from "../../geometry/grid.ts";
import { href } from "../../app/route.ts";
import { refText } from "../../query/address.ts";
import { NOTHING, type ImageRef } from "../../query/question.ts";
import { addressOf as searchAddress } from "../../query/store.ts";
import { Button } from "../../ui/button.tsx";
import { Loading, ProblemNotice } from "../../ui/notice.tsx";
import { Caption } from "./captions.tsx";
import { ChooseImage } from "./choose-image.tsx";
import { sideName, type Side } from "../../explanation/explanation.ts";
import { describe, described, explained, imageProblem, refs } from "./pair-store.ts";
import { Stage } from "./stage.tsx";
import { chooseFile, chooseImage, fileOf, refusedFor } from "./uploads.ts";

export function SidePanel({ side }: { readonly side: Side }) {
  const ref = refs[side].value, [over, setOver] = useState(false);
  return (
    <section
      class={over ? "explain-side over" : "explain-side"} aria-label={`Picture ${sideName(side)}`}
      onDragOver={(event) => { event.preventDefault(); setOver(true); }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        const file = fileOf(event.dataTransfer);
        if (file) void chooseFile(side, file);
      }}
    >
      <header class="row">
        <strong class="explain-letter" aria-hidden="true">{sideName(side)}</strong>
        <span class="grow explain-name">{ref ? <Name imageRef={ref} /> : "No picture yet"}</span>
        {ref && (
          <a class="button plain" href={searchAddress({ ...NOTHING, images: [ref] })} aria-label={`Search with picture ${sideName(side)}`}>Search</a>
        )}
        {ref && <Button kind="plain" label={`Change picture ${sideName(side)}`} onClick={() => chooseImage(side, undefined)}>Change</Button>}
      </header>
      <Refused side={side} />
      {ref ? <Shown side={side} imageRef={ref} /> : <ChooseImage side={side} />}
    </section>
  );
}

/** A picture that could not be sent; what was there before stays. */
function Refused({ side }: { readonly side: Side }) {
  const problem = refusedFor(side);
  return problem ? <p class="problem" role="alert"><strong>{problem.title}.</strong> {problem.text}</p> : null;
}

function Name({ imageRef }: { readonly imageRef: ImageRef }) {
  if (imageRef.kind === "query") return <>Uploaded picture</>;
  return <a href={href("image", imageRef.id)}>{imageRef.id}</a>;
}

const AGAIN: Readonly<Record<Side, () => void>> = { a: () => void describe("a"), b: () => void describe("b") };

function Shown({ side, imageRef }: { readonly side: Side; readonly imageRef: ImageRef }) {
  const found = described[side].value, problem = imageProblem(side);
  if (problem) {
    return (
      <div class="explain-empty">
        <ProblemNotice problem={problem} onRetry={AGAIN[side]}>
          <Button onClick={() => chooseImage(side, undefined)}>Choose another picture</Button>
        </ProblemNotice>
      </div>
    );
  }
  if (!found) return <div class="explain-empty"><Loading text="Asking the model about this picture" /></div>;
  const grid = explained.value?.pair.grids[side] ?? new Grid(found, found);
  return (
    <>
      <Stage key={refText(imageRef)} side={side} imageRef={imageRef} grid={grid} />
      <Caption side={side} />
    </>
  );
}
