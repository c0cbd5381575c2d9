import type { Question } from "../../query/question.ts";
import { Dialog } from "../../ui/dialog.tsx";

/** Saves a question as a standing query. */
export function SaveDialog({ onClose }: { readonly question: Question; readonly onClose: () => void }) {
  return <Dialog title="Watch for this" onClose={onClose}><p>Not yet.</p></Dialog>;
}
