// Saves what is shown as a report.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { problemOf, type Problem } from "../api/problem.ts";
import { ReportFormat, type ReportFile } from "../gen/partlens/v1/report_service_pb.ts";
import { owned } from "../pictures/pictures.ts";
import { announce } from "../ui/announcer.tsx";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { save } from "../ui/save.ts";

const FORMATS = [[ReportFormat.PDF, "PDF, to print or file"], [ReportFormat.HTML, "Web page, to read in a browser"]] as const;

interface Props {
  readonly heading: string;
  /** What the report will hold. */
  readonly contents: string;
  /** Has the server write it. Throws what the call throws. */
  readonly write: (title: string, format: ReportFormat) => Promise<ReportFile | undefined>;
  readonly onClose: () => void;
  /** More fields of its form. */
  readonly children?: ComponentChildren;
}

export function ReportDialog({ heading, contents, write, onClose, children }: Props) {
  const [title, setTitle] = useState(""), [format, setFormat] = useState<ReportFormat>(ReportFormat.PDF);
  const [pending, setPending] = useState(false), [problem, setProblem] = useState<Problem | undefined>(undefined);
  const make = async () => {
    setPending(true);
    setProblem(undefined);
    try {
      const report = await write(title, format);
      if (report) save(owned(report.data), report.mediaType, report.name || "report");
      announce("The report is saved");
      onClose();
    } catch (error) {
      setProblem(problemOf(error));
      setPending(false);
    }
  };
  return (
    <Dialog title={heading} onClose={onClose}>
      <form class="stack" onSubmit={(event) => { event.preventDefault(); void make(); }}>
        <label class="field">
          <span>Title, such as the number of a case</span>
          <input value={title} maxLength={200} autofocus onInput={(event) => setTitle(event.currentTarget.value)} />
        </label>
        {children}
        <fieldset class="filter-group">
          <legend>Format</legend>
          {FORMATS.map(([value, words]) => (
            <label class="check" key={value}>
              <input type="radio" name="format" checked={format === value} onChange={() => setFormat(value)} /><span>{words}</span>
            </label>
          ))}
        </fieldset>
        <p class="quiet">{contents}</p>
        <p class="quiet"><code>partlens report verify FILE</code> compares it with the gallery, now or years later.</p>
        {problem && <p class="problem" role="alert"><strong>{problem.title}.</strong> {problem.text}</p>}
        <p class="row">
          <Button kind="primary" type="submit" disabled={pending}>{pending ? "Writing the report…" : "Save report"}</Button>
          <Button onClick={onClose}>Cancel</Button>
        </p>
      </form>
    </Dialog>
  );
}
