// A placeholder until the gallery's picker is merged: the first images of the gallery.
import { useEffect, useState } from "preact/hooks";
import { galleryService } from "../../api/clients.ts";
import type { ImageRef } from "../../query/question.ts";
import { Button } from "../../ui/button.tsx";
import { Dialog } from "../../ui/dialog.tsx";

export function Picker({ onPick, onClose }: { readonly onPick: (ref: ImageRef) => void; readonly onClose: () => void }) {
  const [ids, setIds] = useState<readonly string[]>([]);
  useEffect(() => {
    void galleryService.listImages({ pageSize: 60 }).then(({ images }) => setIds(images.map(({ id }) => id)));
  }, []);
  return (
    <Dialog title="Choose from the gallery" onClose={onClose}>
      <ul class="row">
        {ids.map((id) => <li key={id}><Button onClick={() => onPick({ kind: "gallery", id })}>{id}</Button></li>)}
      </ul>
    </Dialog>
  );
}
