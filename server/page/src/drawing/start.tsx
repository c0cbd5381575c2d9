// A search without a picture yet: the first thing that a person sees.
import { useEffect, useState } from "preact/hooks";
import { gallery, indexing, may } from "../api/server.ts";
import { href } from "../app/route.ts";
import { addFiles, addImage } from "../query/uploads.ts";
import { Button } from "../ui/button.tsx";
import { Picker } from "../picker/picker.tsx";
import { listThumbnails, type Thumbnail } from "../picker/thumbnails.ts";
import { FileButton } from "./file-button.tsx";
import { UploadList } from "./upload-list.tsx";

const SAMPLES = 6;

export function Start({ over }: { readonly over: boolean }) {
  const [picking, setPicking] = useState(false);
  const images = gallery.value?.images ?? 0n, empty = images === 0n;
  return (
    <div class="start stack">
      <section class={`drop-area${over ? " over" : ""}`}>
        <h1>Find every image that contains a part</h1>
        <p class="lead">Drop a picture, then mark the part to look for.</p>
        <p class="row centred">
          <FileButton label="Choose a picture" kind="primary" several onFiles={addFiles} />
          {!empty && <Button onClick={() => setPicking(true)}>Pick from the gallery</Button>}
        </p>
        <p class="quiet">You can also paste a picture.</p>
      </section>
      <UploadList />
      {empty ? <EmptyGallery /> : <Samples />}
      <Model />
      {picking && <Picker onClose={() => setPicking(false)} onPick={addImage} />}
    </div>
  );
}

/** Which model decides what is alike, and for the starter model what it does not know. */
function Model() {
  const name = gallery.value?.model?.name;
  if (!name) return null;
  return (
    <p class="quiet centred-text">
      Model: {name}{name === "starter" && ". It knows only generated pictures of people; for your own pictures, start the server with another model."}
    </p>
  );
}

function EmptyGallery() {
  if (indexing.value) return <p class="centred-text" role="status">The gallery is being filled. Its first pictures appear here soon.</p>;
  return (
    <p class="centred-text">
      {may("ingest")
        ? <>The gallery is empty, so nothing can be found yet. <a href={href("gallery")}>Add pictures to it.</a></>
        : "The gallery is empty, so nothing can be found yet. Ask who runs this server to add pictures."}
    </p>
  );
}

function Samples() {
  const [samples, setSamples] = useState<readonly Thumbnail[]>([]);
  // While the first images come in, there are more at every look.
  const version = samples.length < SAMPLES ? gallery.value?.version : undefined;
  useEffect(() => {
    if (version === undefined) return;
    const controller = new AbortController();
    listThumbnails({ pageSize: SAMPLES }, controller.signal).then(
      ({ thumbnails }) => setSamples(thumbnails),
      // The picker shows the problem to whoever goes there.
      () => undefined,
    );
    return () => controller.abort();
  }, [version]);
  return (
    <section class="stack samples" aria-label="Start with an image of the gallery">
      <p class="quiet">Or start with an image of the gallery</p>
      <ul class="thumbnails">
        {samples.map((one) => (
          <li key={one.id}>
            <button class="thumbnail" type="button" title={one.id} onClick={() => addImage({ kind: "gallery", id: one.id })}>
              {one.url ? <img src={one.url} alt={one.id} /> : <span class="quiet">{one.id}</span>}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
