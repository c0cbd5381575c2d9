// One image of the gallery: its picture, its record, and what can be done with it.
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { LatestCall } from "../../api/call.ts";
import { galleryService } from "../../api/clients.ts";
import { may } from "../../api/server.ts";
import { go, href, route } from "../../app/route.ts";
import type { GalleryImage } from "../../gen/partlens/v1/image_pb.ts";
import { usePicture } from "../../pictures/use-picture.ts";
import { EVERYWHERE, NOTHING } from "../../query/question.ts";
import { addressOf } from "../../query/store.ts";
import { Button } from "../../ui/button.tsx";
import { Empty, Loading, ProblemNotice } from "../../ui/notice.tsx";
import { explainHref } from "../../explanation/address.ts";
import { attributeWords } from "../../filters/conditions.ts";
import { CopyId } from "../../ui/copy-id.tsx";
import { HitPicture } from "../../hits/hit-picture.tsx";
import { Original } from "../../pictures/original-button.tsx";
import { timeWords } from "../../ui/words.ts";
import { galleryHref, imageHref } from "./address.ts";
import { DeleteImages } from "./delete-images.tsx";
import { listing, neighboursOf } from "./listing.ts";
import { Picker } from "../../picker/picker.tsx";

const SIDE = 1024;

export function ImageView() {
  const id = route.value.rest;
  const call = useMemo(() => new LatestCall<GalleryImage>(), []);
  const look = () => {
    if (!id) return;
    void call.run(async (signal) => {
      const { image } = await galleryService.getImage({ id }, { signal });
      if (!image) throw new RangeError("the server sent no image");
      return image;
    });
  };
  useEffect(() => {
    call.clear();
    look();
    return () => call.clear();
    // eslint-disable-next-line react-hooks/exhaustive-deps -- looked up again for another id only
  }, [call, id]);
  const { answer, problem } = call.state.value;
  if (!id) return <Empty title="No image is named"><p><a href={href("gallery")}>Browse the gallery</a></p></Empty>;
  if (problem) {
    return (
      <>
        <h1 class="unseen">Image {id}</h1>
        <ProblemNotice problem={problem} onRetry={look}>
          <a class="button" href={href("gallery")}>Browse the gallery</a>
        </ProblemNotice>
      </>
    );
  }
  if (answer?.id !== id) return <Loading text="Fetching the image" />;
  return <Image image={answer} />;
}

function Image({ image }: { readonly image: GalleryImage }) {
  const { id, width, height } = image, ref = { kind: "gallery", id } as const;
  const { shown, problem } = usePicture(ref, SIDE);
  return (
    <article class="image-view">
      <div class="stack image-picture">
        <HitPicture url={shown?.url} size={{ width, height }} words={`The picture of ${id}`} empty={problem ? "No picture" : "Fetching the picture"} />
        <p class="quiet" role="status">{pictureWords(shown?.reduced, problem?.text)}</p>
      </div>
      <div class="stack">
        <Ways id={id} />
        <h1>{id}</h1>
        <Actions image={image} original={shown !== undefined && !shown.reduced} />
        <RecordTable image={image} />
      </div>
    </article>
  );
}

/** Back to the gallery, and on to its next image. */
function Ways({ id }: { readonly id: string }) {
  const { before, after } = neighboursOf(id);
  return (
    <nav class="row" aria-label="Gallery">
      <a class="button" href={galleryHref(listing.value.where)}>← Gallery</a>
      {before !== undefined && <a class="button" href={imageHref(before)}>‹ Previous</a>}
      {after !== undefined && <a class="button" href={imageHref(after)}>Next ›</a>}
    </nav>
  );
}

function pictureWords(reduced: boolean | undefined, problem: string | undefined): string {
  if (problem) return problem;
  return reduced ? "This is the thumbnail: the server cannot read the original." : "\u00a0";
}

/** @param original whether the original file can be opened. */
function Actions({ image: { id }, original }: { readonly image: GalleryImage; readonly original: boolean }) {
  const [open, setOpen] = useState<"" | "explain" | "delete">(""), ref = { kind: "gallery", id } as const;
  return (
    <div class="row">
      <a class="button primary" href={addressOf({ ...NOTHING, images: [ref] })}>Search with this</a>
      <Button onClick={() => setOpen("explain")}>Explain with…</Button>
      {original && <Original id={id} />}
      <CopyId id={id} />
      {may("admin") && <Button kind="danger" onClick={() => setOpen("delete")}>Delete…</Button>}
      {open === "explain" && <Picker onClose={() => setOpen("")} onPick={(other) => go(explainHref(ref, other))} />}
      {open === "delete" && <DeleteImages ids={[id]} onClose={() => setOpen("")} onDeleted={() => go(galleryHref(listing.peek().where))} />}
    </div>
  );
}

function RecordTable({ image }: { readonly image: GalleryImage }) {
  const { camera, track, capturedAt, attributes = {} } = image.metadata ?? {};
  const rows: readonly (readonly [string, ComponentChildren])[] = [
    ["Size", `${image.width.toLocaleString()} × ${image.height.toLocaleString()} pixels`],
    ["Camera", camera || "Unknown"],
    ["Track", track ? <a href={galleryHref({ ...EVERYWHERE, tracks: [track] })}>{track}</a> : "Unknown"],
    ["Time", capturedAt ? timeWords(timestampDate(capturedAt)) : "Unknown"],
    ...Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => [attributeWords(name), value || "empty"] as const),
    ["Original", image.uri || "Unknown"],
    ["Digest", image.mediaDigest],
  ];
  return (
    <table class="record">
      <caption class="unseen">Record of the image</caption>
      <tbody>{rows.map(([name, value], i) => <tr key={i}><th scope="row">{name}</th><td>{value}</td></tr>)}</tbody>
    </table>
  );
}
