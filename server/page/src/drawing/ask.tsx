// The query side of a search: its pictures, the tools, and the regions.
import { useLayoutEffect, useState } from "preact/hooks";
import { Picker } from "../picker/picker.tsx";
import { NOTHING } from "../query/question.ts";
import { change, question, shown } from "../query/store.ts";
import { addFiles, addImage, mostImages } from "../query/uploads.ts";
import { refText } from "../query/address.ts";
import { Button } from "../ui/button.tsx";
import { FileButton } from "./file-button.tsx";
import { PictureCard } from "./picture-card.tsx";
import { RegionList } from "./region-list.tsx";
import { take } from "./state.ts";
import { Toolbar } from "./toolbar.tsx";
import { UploadList } from "./upload-list.tsx";

export function Ask() {
  const { images } = shown.value;
  // A new search starts with drawing; one that comes by a link, with what is drawn.
  useLayoutEffect(() => take(shown.peek().regions.length ? "select" : "box"), []);
  return (
    <>
      <Toolbar />
      {images.map((ref, image) => <PictureCard key={`${image} ${refText(ref)}`} image={image} imageRef={ref} />)}
      <UploadList />
      <RegionList />
      <AddPictures />
    </>
  );
}

function AddPictures() {
  const [picking, setPicking] = useState(false);
  const full = question.value.images.length >= mostImages();
  return (
    <div class="row">
      <FileButton label="Add a picture" several disabled={full} onFiles={addFiles} />
      <Button disabled={full} onClick={() => setPicking(true)}>Add from the gallery</Button>
      <span class="grow" />
      <Button kind="plain" onClick={() => change(NOTHING)}>New search</Button>
      {picking && (
        <Picker
          onClose={() => setPicking(false)}
          onPick={(ref) => {
            setPicking(false);
            addImage(ref);
          }}
        />
      )}
    </div>
  );
}
