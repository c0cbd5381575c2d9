// Adds pictures to the gallery: chosen or dropped, with what they have in common, and what becomes of each.
import { useState } from "preact/hooks";
import { useDroppedPictures } from "../../../drawing/drop.ts";
import { FileButton } from "../../../drawing/file-button.tsx";
import { AddDialog } from "./add-dialog.tsx";
import { Progress } from "./progress.tsx";

export function AddPictures() {
  const [files, setFiles] = useState<readonly File[]>([]), over = useDroppedPictures(setFiles);
  return (
    <>
      <FileButton label="Add pictures" kind="primary" several onFiles={setFiles} />
      <Progress />
      {over && <p class="drop-note" role="status">Drop to add to the gallery</p>}
      {files.length > 0 && <AddDialog key={files} files={files} onClose={() => setFiles([])} />}
    </>
  );
}
