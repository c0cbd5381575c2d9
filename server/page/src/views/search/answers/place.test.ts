import assert from "node:assert/strict";
import { test } from "node:test";
import { fromParameters, toParameters } from "../../../query/address.ts";
import { placeOf, withPlace } from "./place.ts";

test("a place survives its address and leaves the question alone", () => {
  const question = new URLSearchParams("image=gallery:a&region=0:box:1,2,3,4&camera=gate");
  const place = { hit: "a b/ü&1.jpg", lowest: -0.125 };
  const parameters = new URLSearchParams(withPlace(question, place).toString());
  assert.deepEqual(placeOf(parameters), place);
  assert.equal(toParameters(fromParameters(parameters)).toString(), toParameters(fromParameters(question)).toString());
});

test("what is not well formed is left out", () => {
  for (const lowest of ["", "much", "Infinity", "1e3", "0x10", "1.2.3", "NaN"]) {
    assert.deepEqual(placeOf(new URLSearchParams({ min: lowest })), { hit: "", lowest: undefined }, lowest);
  }
  assert.equal(withPlace(new URLSearchParams("a=1"), { hit: "", lowest: undefined }).toString(), "a=1");
});
