// A dialog to pick an image of the gallery.
import { useMemo, useState } from "preact/hooks";
import type { ImageRef } from "../query/question.ts";
import { Dialog } from "../ui/dialog.tsx";
import { Empty, Loading, ProblemNotice } from "../ui/notice.tsx";
import { More } from "./more.tsx";
import { usePages } from "./use-pages.ts";

// A pause in typing after which ids are looked up.
const TYPING_MS = 250;

interface Props {
  readonly onPick: (ref: ImageRef) => void;
  readonly onClose: () => void;
}

export function Picker({ onPick, onClose }: Props) {
  const [typed, setTyped] = useState("");
  const prefix = typed.trim();
  const { thumbnails, next, pending, problem, more } = usePages(useMemo(() => ({ prefix, delayMs: prefix ? TYPING_MS : 0 }), [prefix]));
  return (
    <Dialog title="Pick from the gallery" wide onClose={onClose}>
      <label class="field">
        <span>Find by the beginning of the id</span>
        <input type="search" value={typed} spellcheck={false} autocomplete="off" onInput={(event) => setTyped(event.currentTarget.value)} />
      </label>
      <ul class="thumbnails picker">
        {thumbnails.map((one) => (
          <li key={one.id}>
            <button class="thumbnail" type="button" title={one.id} onClick={() => onPick({ kind: "gallery", id: one.id })}>
              {one.url ? <img src={one.url} alt="" /> : <span class="quiet">No thumbnail</span>}
              <span class="cut">{one.id}</span>
            </button>
          </li>
        ))}
      </ul>
      {problem && <ProblemNotice problem={problem} onRetry={more} />}
      {pending && !problem && thumbnails.length === 0 && <Loading text="Fetching images" />}
      {!pending && !problem && thumbnails.length === 0 && (
        prefix
          ? <Empty title="No id begins with this"><p>Capitals and accents count. Clear the field to browse.</p></Empty>
          : <Empty title="The gallery is empty" />
      )}
      {next && !problem && <More onShown={more} pending={pending} />}
    </Dialog>
  );
}
