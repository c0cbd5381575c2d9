// An empty side: choose a picture, drop it, paste it, or take one of the gallery.
import { useRef, useState } from "preact/hooks";
import { Button } from "../../ui/button.tsx";
import { Picker } from "../gallery/picker.tsx";
import { sideName, type Side } from "./explanation.ts";
import { chooseFile, chooseImage, uploading } from "./uploads.ts";

export function ChooseImage({ side }: { readonly side: Side }) {
  const input = useRef<HTMLInputElement>(null);
  const [picking, setPicking] = useState(false);
  const { pending, problem } = uploading[side].state.value;
  return (
    <div class="explain-empty">
      <p>{pending ? "Sending the picture…" : "Drop or paste a picture here"}</p>
      <p class="row centred">
        <Button kind="primary" label={`Choose a picture for ${sideName(side)}`} onClick={() => input.current?.click()}>Choose a picture</Button>
        <Button label={`Choose ${sideName(side)} from the gallery`} onClick={() => setPicking(true)}>From the gallery</Button>
      </p>
      {problem && <p class="problem" role="alert"><strong>{problem.title}.</strong> {problem.text}</p>}
      <input
        ref={input} class="unseen" type="file" accept="image/*" tabIndex={-1} aria-hidden="true"
        onChange={({ currentTarget }) => {
          const [file] = currentTarget.files ?? [];
          if (file) void chooseFile(side, file);
          currentTarget.value = "";
        }}
      />
      {picking && <Picker onPick={(ref) => { setPicking(false); chooseImage(side, ref); }} onClose={() => setPicking(false)} />}
    </div>
  );
}
