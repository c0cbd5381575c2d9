// The keys of the drawing tools.
import { Dialog } from "../ui/dialog.tsx";
import { singleKeys, switchSingleKeys } from "./shortcuts.ts";
import { offered } from "./state.ts";

const KEYS: readonly (readonly [keys: string, meaning: string])[] = [
  ["N", "The last tool again"],
  ["E", "Brush: paint or erase"],
  ["[ ]", "Brush: smaller, larger"],
  ["X", "Include or exclude the region"],
  ["Enter", "Draw at the cross, close a polygon"],
  ["Arrows", "Move the region, the corner or the cross; with Shift by 10 pixels"],
  ["Alt + arrows", "Resize the region"],
  ["Delete", "Delete the region or the corner"],
  ["Escape", "Stop drawing, deselect"],
  ["Ctrl + Z", "Undo"],
  ["Ctrl + Y", "Redo; also Ctrl + Shift + Z"],
  ["Ctrl + V", "Paste a picture"],
  ["+ − 0", "Zoom in, out, whole picture; also Ctrl + wheel"],
  ["?", "These keys"],
];

export function Help({ onClose }: { readonly onClose: () => void }) {
  return (
    <Dialog title="Keys" onClose={onClose}>
      <table class="keys">
        <tbody>
          {offered.value.map(({ key, label, hint }) => (
            <tr key={key}><th scope="row"><kbd>{key.toUpperCase()}</kbd></th><td>{hint.startsWith(label) ? hint : `${label}: ${hint.charAt(0).toLowerCase()}${hint.slice(1)}`}</td></tr>
          ))}
          {KEYS.map(([keys, meaning]) => <tr key={keys}><th scope="row"><kbd>{keys}</kbd></th><td>{meaning}</td></tr>)}
        </tbody>
      </table>
      <label class="row">
        <input type="checkbox" checked={singleKeys.value} onChange={(event) => switchSingleKeys(event.currentTarget.checked)} />
        <span>Use keys of a single letter</span>
      </label>
    </Dialog>
  );
}
