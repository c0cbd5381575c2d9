import assert from "node:assert/strict";
import { test } from "node:test";
import { attributesOf, idsOf } from "./details.ts";

test("attributes are one a line, with a colon or an equals sign", () => {
  assert.deepEqual(attributesOf("place: harbour\n\n weather = rain: heavy \nempty:"), {
    attributes: { place: "harbour", weather: "rain: heavy", empty: "" },
  });
  assert.deepEqual(attributesOf(""), { attributes: {} });
});

test("a line that is no attribute is named", () => {
  assert.match(JSON.stringify(attributesOf("harbour")), /harbour.*has no value/);
  assert.match(JSON.stringify(attributesOf("a: 1\na: 2")), /given twice/);
  assert.match(JSON.stringify(attributesOf(": 1")), /has no value/);
});

test("files that would have the same id are found", () => {
  const { ids, twice } = idsOf(["a.jpg", "b.jpg", "a.jpg"], "trip/");
  assert.deepEqual(ids, ["trip/a.jpg", "trip/b.jpg", "trip/a.jpg"]);
  assert.deepEqual([...twice], ["trip/a.jpg"]);
});
