// The tools, undo and redo.
import { canRedo, canUndo, home, invitation, question, redo, undo } from "./sheet.ts";
import { Button } from "../ui/button.tsx";
import { Help } from "./help.tsx";
import { ToolIcon } from "./icons.tsx";
import { active, brushRadius, erasing, helping, markWhole, offered, take, tool } from "./state.ts";

export function Toolbar() {
  const row = offered.value.find((one) => one.tool === tool.value);
  return (
    <div class="drawing-tools stack">
      <div class="tools" role="toolbar" aria-label="Mark a part">
        {offered.value.map((one) => (
          <button
            key={one.tool} class="button tool" type="button" aria-pressed={one.tool === "whole" ? undefined : one.tool === tool.value}
            title={`${one.label}: ${one.hint} (${one.key.toUpperCase()})`}
            onClick={() => { if (one.tool === "whole") markWhole(active.peek()); else take(one.tool); }}
          >
            <ToolIcon tool={one.tool} />
            <span>{one.label}</span>
          </button>
        ))}
      </div>
      <div class="row settings">
        {tool.value === "brush" ? <BrushSettings /> : <p class="quiet grow" role="status">{question.value.regions.length ? "" : `${invitation.value} `}{row?.hint}</p>}
        <Button kind="plain" label="Undo (Ctrl+Z)" disabled={!canUndo.value} onClick={undo}>↶</Button>
        <Button kind="plain" label="Redo (Ctrl+Shift+Z)" disabled={!canRedo.value} onClick={redo}>↷</Button>
        <Button kind="plain" label="Keys (?)" onClick={() => { helping.value = true; }}>?</Button>
      </div>
      {helping.value && <Help onClose={() => { helping.value = false; }} />}
    </div>
  );
}

function BrushSettings() {
  return (
    <>
      <label class="row grow settings">
        <span class="quiet">Size</span>
        <input
          type="range" min={3} max={80} value={brushRadius.value}
          onInput={(event) => { brushRadius.value = event.currentTarget.valueAsNumber; }}
        />
      </label>
      <Button pressed={erasing.value} label="Erase (E)" onClick={() => { erasing.value = !erasing.peek(); }}>Erase</Button>
      <Button onClick={() => take(home.peek())}>Done</Button>
    </>
  );
}
