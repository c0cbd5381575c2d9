// Asks before images are deleted, and deletes them.
import { useState } from "preact/hooks";
import { galleryService } from "../../api/clients.ts";
import { problemOf, type Problem } from "../../api/problem.ts";
import { follow } from "../../api/server.ts";
import { announce } from "../../ui/announcer.tsx";
import { Confirm } from "../../ui/confirm.tsx";
import { counted, shortened } from "../../ui/words.ts";

// Images of one call; more are deleted in several.
const TOGETHER = 500;

interface Props {
  readonly ids: readonly string[];
  readonly onClose: () => void;
  readonly onDeleted: () => void;
}

export function DeleteImages({ ids, onClose, onDeleted }: Props) {
  const [pending, setPending] = useState(false);
  const [problem, setProblem] = useState<Problem | undefined>();
  const [only] = ids, what = ids.length === 1 && only !== undefined ? `“${shortened(only, 40)}”` : counted(ids.length, "image");
  const remove = async () => {
    setPending(true);
    setProblem(undefined);
    try {
      let deleted = 0;
      for (let start = 0; start < ids.length; start += TOGETHER) {
        deleted += (await galleryService.deleteImages({ ids: ids.slice(start, start + TOGETHER) })).deleted;
      }
      announce(`${counted(deleted, "image")} deleted`);
      void follow();
      onDeleted();
    } catch (error) {
      setProblem(problemOf(error));
      setPending(false);
    }
  };
  return (
    <Confirm
      title={`Delete ${what}?`} action={pending ? "Deleting…" : `Delete ${counted(ids.length, "image")}`} pending={pending} problem={problem}
      onClose={onClose} onConfirm={() => void remove()}
    >
      {ids.length === 1 ? "It is" : "They are"} removed from the gallery and no longer found, for everyone. The original{" "}
      {ids.length === 1 ? "file stays where it is" : "files stay where they are"}. This cannot be undone.
    </Confirm>
  );
}
