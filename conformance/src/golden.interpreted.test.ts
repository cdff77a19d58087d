/**
 * Golden cases of every kind under an interpreter that answers operations in another way: a product is twice the product of
 * one factor and half of the other. Values, derivatives of every order, layers, optimizers and inner loops stay right: so
 * every operation passes the stack of interpreters, those of derivatives too.
 */
import { expect, test } from "@jest/globals";
import { bind, type Interpreter, interpreted, isFloat, literalLike, mulP } from "@loopgrad/tensor";
import { checkCoverage } from "./coverage.ts";

let products = 0;

const halved: Interpreter = {
  apply(primitive, inputs, attrs) {
    const [a, b] = inputs;
    if (primitive !== mulP || !isFloat(a.dtype)) return bind(primitive, inputs, attrs);
    products++;
    const two = literalLike(b, 2);
    return bind(mulP, [bind(mulP, [a, b.div(two)]), two]);
  },
};

test.each(["ops", "third", "nn", "optim", "higher"])("%s.json", async (file) => {
  products = 0;
  const report = await checkCoverage(file, "cpu", { around: (compute) => interpreted(halved, compute) });
  expect(report).toEqual({ failures: [], listedButCovered: [] });
  expect(products).toBeGreaterThan(100);
});
