/** Derivatives of digamma to the third order, against what mpmath says of ψ′, ψ″ and ψ‴. */
import { beforeAll, expect, test } from "@jest/globals";
import { digamma, init, polygamma, type Tensor, tensor } from "@loopgrad/tensor";
import { grad } from "../grad.ts";
import "../methods.ts";

beforeAll(() => init({ device: "cpu", dtype: "float64" }));

const X = [-3.7, -0.5, 0.25, 1, 7.25, 42];
const SLOPES = [
  [
    14.84242186412428, 8.934802200544679, 17.19732915450711, 1.6449340668482264, 0.14787923315893217,
    0.024095219843670565,
  ],
  [
    -68.89345468867354, -0.82879664423432, -129.32773993753693, -2.4041138063191885, -0.02182895229519774,
    -5.805515402440564e-4,
  ],
  [
    768.994649440866, 193.40909103400244, 1538.7821440091884, 6.493939402266829, 0.0064330375979401565,
    2.7974328327814074e-5,
  ],
];

test("the slopes of digamma, and of polygamma, are polygamma at every order", async () => {
  const x = tensor(X, { requiresGrad: true });
  for (const [start, first] of [
    [digamma(x), 0],
    [polygamma(0, x), 0],
    [polygamma(1, x), 1],
  ] as const) {
    let y: Tensor = start;
    for (const wanted of SLOPES.slice(first)) {
      [y] = grad(y.sum(), [x], { createGraph: true });
      const values = [...(await y.data())];
      for (const [i, value] of values.entries()) expect(Math.abs(value / wanted[i] - 1)).toBeLessThan(1e-12);
    }
  }
});
