// One picture of the question: its stage, and what is wrong with it if it cannot be shown.
import { useState } from "preact/hooks";
import { usePicture } from "../pictures/use-picture.ts";
import type { Box } from "../geometry/region.ts";
import type { DescribedQuery } from "../gen/partlens/v1/image_pb.ts";
import { withoutImage } from "../query/edits.ts";
import type { ImageRef } from "../query/question.ts";
import { change, gridOf, question } from "../query/store.ts";
import { chooseAgain } from "../query/uploads.ts";
import { useDescribed } from "../query/use-described.ts";
import { Button } from "../ui/button.tsx";
import { Loading } from "../ui/notice.tsx";
import { FileButton } from "./file-button.tsx";
import { RoomIcon } from "./icons.tsx";
import { Stage } from "./stage.tsx";
import { active, draft, roomy, selected, showingModel } from "./state.ts";
import { ZoomButtons } from "./zoom-buttons.tsx";
import { frameOf, sideAt, zoomOf } from "./zoom.ts";

interface Props {
  readonly image: number;
  readonly imageRef: ImageRef;
}

export function PictureCard({ image, imageRef }: Props) {
  const { described, problem, retry } = useDescribed(imageRef);
  const name = imageRef.kind === "gallery" ? imageRef.id : `Picture ${image + 1}`;
  return (
    <section class="picture-card stack" aria-label={`Picture ${image + 1}`}>
      {described
        ? <Drawn image={image} imageRef={imageRef} described={described} name={name} />
        : (
          <>
            <CardHeader image={image} name={name} />
            {problem
              ? (
                <div class="notice problem" role="alert">
                  <h3>{problem.title}</h3>
                  <p>{problem.text}</p>
                  <p class="row centred">
                    {problem.way === "retry" && <Button onClick={retry}>Try again</Button>}
                    {imageRef.kind === "query" && <ChooseAgain image={image} />}
                  </p>
                </div>
              )
              : <Loading text="Fetching the picture" />}
          </>
        )}
    </section>
  );
}

function ChooseAgain({ image }: { readonly image: number }) {
  const kept = question.value.regions.some((one) => one.image === image);
  return (
    <>
      <FileButton kind="primary" label="Choose the picture again" onFiles={([file]) => { if (file) chooseAgain(image, file); }} />
      {kept && <span class="quiet">Your regions are kept.</span>}
    </>
  );
}

function Drawn({ image, imageRef, described, name }: Props & { readonly described: DescribedQuery; readonly name: string }) {
  const size = { width: described.width, height: described.height }, grid = gridOf(imageRef);
  const frame = frameOf(size), [chosen, setView] = useState<Box>();
  const view = chosen ?? frame;
  const { shown, problem } = usePicture(imageRef, sideAt(zoomOf(view, frame), 1024));
  if (!grid) return null;
  return (
    <>
      <CardHeader image={image} name={name}>
        <span class="quiet number">{size.width} × {size.height}</span>
        <span class="roomy"><Button label="More room for the picture" pressed={roomy.value} onClick={() => { roomy.value = !roomy.peek(); }}><RoomIcon /></Button></span>
      </CardHeader>
      <Stage
        image={image} imageRef={imageRef} size={size} grid={grid} picture={shown?.url} frame={frame} view={view} setView={setView}
      />
      <div class="row picture-footer">
        <Button pressed={showingModel.value} onClick={() => { showingModel.value = !showingModel.peek(); }}>Show what the model sees</Button>
        <ZoomButtons frame={frame} view={view} setView={setView} />
      </div>
      {shown?.reduced && <p class="quiet">The original is not available here; this is its thumbnail.</p>}
      {problem && <p class="problem" role="alert">{problem.title}. {problem.text}</p>}
    </>
  );
}

interface HeaderProps {
  readonly image: number;
  readonly name: string;
  readonly children?: preact.ComponentChildren;
}

function CardHeader({ image, name, children }: HeaderProps) {
  return (
    <header class="row picture-header">
      <h2 class="grow cut" title={name}>{name}</h2>
      {children}
      <Button kind="plain" label={`Remove picture ${image + 1}`} onClick={() => removePicture(image)}>✕</Button>
    </header>
  );
}

function removePicture(image: number): void {
  selected.value = undefined;
  draft.value = undefined;
  active.value = 0;
  change(withoutImage(question.peek(), image));
}
