// What pictures have in common, before they are sent.
import { useState } from "preact/hooks";
import { gallery } from "../../../api/server.ts";
import { Button } from "../../../ui/button.tsx";
import { Dialog } from "../../../ui/dialog.tsx";
import { counted } from "../../../ui/words.ts";
import { attributesOf, idsOf } from "./details.ts";
import { send } from "./queue.ts";

interface Props {
  readonly files: readonly File[];
  readonly onClose: () => void;
}

export function AddDialog({ files, onClose }: Props) {
  const cameras = gallery.value?.caller?.cameras ?? [];
  const [prefix, setPrefix] = useState("");
  const [camera, setCamera] = useState(cameras[0] ?? "");
  const [track, setTrack] = useState("");
  const [lines, setLines] = useState("");
  const { ids, twice } = idsOf(files.map(({ name }) => name), prefix), parsed = attributesOf(lines);
  const wrong = "problem" in parsed ? parsed.problem : undefined, [same] = twice;
  const add = () => {
    if ("problem" in parsed || twice.size > 0) return;
    send(files, ids, { prefix, camera: camera.trim(), track: track.trim(), attributes: parsed.attributes });
    onClose();
  };
  return (
    <Dialog title={`Add ${counted(files.length, "picture")}`} onClose={onClose}>
      <form class="stack" onSubmit={(event) => { event.preventDefault(); add(); }}>
        {cameras.length > 0
          ? (
            <label class="field">
              <span>Camera: your token may add images of these only</span>
              <select value={camera} onChange={(event) => setCamera(event.currentTarget.value)}>
                {cameras.map((one) => <option key={one} value={one}>{one}</option>)}
              </select>
            </label>
          )
          : <Text words="Camera, if it is known" value={camera} onChange={setCamera} />}
        <details>
          <summary>More details</summary>
          <div class="stack details">
            <Text words="Put before each file name to make its id" value={prefix} onChange={setPrefix} />
            <Text words="Track: images of one track show the same subject" value={track} onChange={setTrack} />
            <label class="field">
              <span>Attributes of all of them, one a line, such as “place: harbour”</span>
              <textarea
                rows={3} value={lines} aria-invalid={wrong !== undefined} aria-describedby={wrong && "upload-attributes"}
                onInput={(event) => setLines(event.currentTarget.value)}
              />
            </label>
          </div>
        </details>
        {wrong && <p id="upload-attributes" class="problem" role="alert">{wrong}</p>}
        {same !== undefined && <p class="problem" role="alert">Two of the files would have the id “{same}”. Add them one after the other, with different words before their names.</p>}
        <p class="quiet">The id of the first is “{ids[0]}”. If the gallery has an image with the same id, the new one replaces it.</p>
        <p class="row">
          <Button kind="primary" type="submit" disabled={wrong !== undefined || twice.size > 0}>Add {counted(files.length, "picture")}</Button>
          <Button onClick={onClose}>Cancel</Button>
        </p>
      </form>
    </Dialog>
  );
}

function Text({ words, value, onChange }: { readonly words: string; readonly value: string; readonly onChange: (value: string) => void }) {
  return (
    <label class="field">
      <span>{words}</span>
      <input value={value} spellcheck={false} autocomplete="off" maxLength={256} onInput={(event) => onChange(event.currentTarget.value)} />
    </label>
  );
}
