// An empty side: choose a picture, drop it, paste it, or take one of the gallery.
import { useState } from "preact/hooks";
import { FileButton } from "../../drawing/file-button.tsx";
import { Button } from "../../ui/button.tsx";
import { Picker } from "../../picker/picker.tsx";
import { sideName, type Side } from "../../explanation/explanation.ts";
import { chooseFile, chooseImage, uploading } from "./uploads.ts";

export function ChooseImage({ side }: { readonly side: Side }) {
  const [picking, setPicking] = useState(false);
  const { pending } = uploading[side].state.value;
  return (
    <div class="explain-empty">
      <p>{pending ? "Sending the picture…" : "Drop or paste a picture here"}</p>
      <p class="row centred">
        <FileButton label="Choose a picture" kind="primary" onFiles={([file]) => { if (file) void chooseFile(side, file); }} />
        <Button label={`Choose ${sideName(side)} from the gallery`} onClick={() => setPicking(true)}>From the gallery</Button>
      </p>
      {picking && <Picker onPick={(ref) => { setPicking(false); chooseImage(side, ref); }} onClose={() => setPicking(false)} />}
    </div>
  );
}
