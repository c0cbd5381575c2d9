// The similarity as a sum: in one line, and as a table of what each part of A and each part of B add together.
import { decimal } from "../../ui/numbers.ts";
import type { Pair } from "./pair.ts";
import type { SumTable } from "./sum-table.ts";
import { table } from "./shown.ts";
import { fixed } from "./words.ts";

export function Sum({ pair }: { readonly pair: Pair }) {
  const { placePlace, placeBias, biasPlace, biasBias } = pair.terms;
  const terms = [
    [placePlace, "places of both"], [placeBias, "places of A × bias of B"], [biasPlace, "bias of A × places of B"], [biasBias, "biases of both"],
  ] as const;
  const now = table.value;
  return (
    <section class="stack" aria-labelledby="explain-sum">
      <h2 id="explain-sum">The sum</h2>
      <p class="explain-equation number">
        <span><strong>{decimal(pair.similarity, 4)}</strong><small>similarity</small></span>
        {terms.map(([value, name], i) => (
          <span key={name}><span>{i === 0 && "= "}{fixed(value)}</span><small>{name}</small></span>
        ))}
      </p>
      {now && <Table table={now} />}
      <p class="quiet">
        Similarity is 1 for the same and 0 for nothing in common. It adds up over the places of both pictures, and the bias: what the
        model adds to every picture, wherever it looks.
        {now?.overlap && " Regions that overlap both count what they share; the rest makes up for it."}
      </p>
    </section>
  );
}

function Table({ table: { columns, rows } }: { readonly table: SumTable }) {
  return (
    <div class="explain-table" tabIndex={0} role="region" aria-label="What parts of A and parts of B add together">
      <table>
        <thead>
          <tr><td />{columns.map((name) => <th key={name} scope="col" class="number">{name}</th>)}</tr>
        </thead>
        <tbody>
          {rows.map(({ name, cells }) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              {cells.map((value, i) => <td key={columns[i]} class="number">{value === undefined ? "…" : fixed(value)}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
