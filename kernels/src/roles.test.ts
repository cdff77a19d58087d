/** Printed WGSL, as a reader sees it; and that kernels of one structure share their source. */
import { describe, expect, test } from "@jest/globals";
import type { ContractKernel, Instruction, MapKernel, ReduceKernel, Target } from "./description.ts";
import { printKernel } from "./roles.ts";
import { contiguous, type View } from "./view.ts";

const cpuAdapter: Target = { workgroupMemory: false };
const gpu: Target = { workgroupMemory: true };

/** relu(x + bias) over [rows, columns]. */
function biasRelu(rows: number, columns: number): MapKernel {
  const space = [rows, columns];
  const bias: View = { shape: space, strides: [0, 1], offset: 0, valid: null };
  return {
    role: "map",
    operands: [
      { type: "f32", access: "read" },
      { type: "f32", access: "read" },
      { type: "f32", access: "write" },
    ],
    output: {
      space,
      code: [
        { kind: "load", type: "f32", operand: 0, chain: [contiguous(space)] },
        { kind: "load", type: "f32", operand: 1, chain: [bias] },
        { kind: "op", type: "f32", op: "add", from: "f32", args: [0, 1] },
        { kind: "literal", type: "f32", value: 0 },
        { kind: "op", type: "f32", op: "maximum", from: "f32", args: [2, 3] },
      ],
      stores: [{ operand: 2, value: 4 }],
    },
  };
}

/** The code between the braces of `main`. */
const body = (source: string): string => source.slice(source.indexOf("groups.x * 64u);\n") + 17).trimEnd();

describe("printed kernels", () => {
  test("literals are parameters, but for −1, 0 and 1: kernels that differ in a size share their source", () => {
    const scaled = (...factors: number[]): ReturnType<typeof printKernel> => {
      const code: Instruction[] = [{ kind: "load", type: "f32", operand: 0, chain: [contiguous([6])] }];
      let value = 0;
      for (const factor of factors) {
        const literal = code.findIndex((c) => c.kind === "literal" && c.value === factor);
        const at = literal >= 0 ? literal : code.push({ kind: "literal", type: "f32", value: factor }) - 1;
        value = code.push({ kind: "op", type: "f32", op: "div", from: "f32", args: [value, at] }) - 1;
      }
      const operands = [
        { type: "f32", access: "read" },
        { type: "f32", access: "write" },
      ] as const;
      const output = { space: [6], code, stores: [{ operand: 1, value }] };
      return printKernel({ role: "map", operands, output }, cpuAdapter);
    };
    expect(scaled(40, 7).source).toBe(scaled(33, 5).source);
    // Equal by chance: one instruction, two uses.
    expect(scaled(10, 10).source).toBe(scaled(33, 5).source);
    expect(scaled(-1, 5).source).not.toBe(scaled(33, 5).source);
    const bits = (x: number) => new Int32Array(Float32Array.of(x).buffer)[0];
    expect(scaled(40, 7).parameters.slice(1)).toEqual([{ value: bits(40) }, { value: bits(7) }]);
  });

  test("an elementwise kernel with a broadcast", () => {
    const { source, parameters, workgroups } = printKernel(biasRelu(10, 40), cpuAdapter);
    expect(body(source)).toMatchInlineSnapshot(`
"  if (o >= p[0].x) { return; }
  let o1 = o % p[0].y;
  let o_1 = o / p[0].y;
  let o0 = o_1;
  let v0 = data0[o0 * p[0].z + o1];
  let v1 = data1[o1];
  let v2 = v0 + v1;
  let v3 = max_nan(v2, 0.0);
  data2[o] = v3;
}"
`);
    expect(parameters).toEqual([{ value: 400 }, { value: 40 }, { value: 40 }]);
    expect(workgroups).toBe(7);
  });

  test("only the parameters tell sizes apart", () => {
    expect(printKernel(biasRelu(3, 5), cpuAdapter).source).toBe(printKernel(biasRelu(10, 40), cpuAdapter).source);
  });

  test("what is read beside the padding is chosen without a branch", () => {
    const padded = biasRelu(10, 40);
    const view = contiguous([10, 40]);
    const inside = { ...view, valid: { lo: [1, 2], hi: [9, 40] } };
    const code = padded.output.code.map((step) => ("operand" in step ? { ...step, chain: [inside] } : step));
    const { source } = printKernel({ ...padded, output: { ...padded.output, code } } as MapKernel, gpu);
    expect(body(source)).toContain(
      "select(0.0, data0[o0 * p[0].z + o1], (o0 >= p[0].w) & (o0 < p[1].x) & (o1 >= p[1].y))",
    );
    expect(source).not.toContain("&&");
  });

  test("literals that meet are no constant expression, which a compiler would refuse if it is NaN", () => {
    const kernel: MapKernel = {
      role: "map",
      operands: [{ type: "f32", access: "write" }],
      output: {
        space: [3],
        code: [
          { kind: "literal", type: "f32", value: 0 },
          { kind: "op", type: "f32", op: "div", from: "f32", args: [0, 0] },
        ],
        stores: [{ operand: 0, value: 1 }],
      },
    };
    expect(body(printKernel(kernel, gpu).source)).toContain("let v0_literal = 0.0;\n  let v0 = v0_literal / 0.0;");
  });

  test("library functions are printed with what they call, and nothing else", () => {
    const { source } = printKernel(biasRelu(2, 2), cpuAdapter);
    expect([...source.matchAll(/^fn (\w+)/gm)].map((match) => match[1])).toEqual(["is_nan", "max_nan", "main"]);
  });

  test("indices are checked where padding makes up none, and the first one outside is noted", () => {
    const shape = [6];
    const padded: View = { shape, strides: [1], offset: -1, valid: { lo: [1], hi: [5] } };
    const kernel: MapKernel = {
      role: "map",
      operands: [
        { type: "i32", access: "read" },
        { type: "flag", access: "write" },
        { type: "i32", access: "write" },
      ],
      output: {
        space: shape,
        code: [
          { kind: "load", type: "i32", operand: 0, chain: [padded] },
          {
            kind: "position",
            type: "i32",
            arg: 0,
            size: 9,
            fromEnd: true,
            ignored: null,
            flag: { operand: 1, site: 4, chain: [padded] },
          },
        ],
        stores: [{ operand: 2, value: 1 }],
      },
    };
    const { source, parameters } = printKernel(kernel, cpuAdapter);
    expect(source.slice(source.indexOf("fn note"))).toMatchInlineSnapshot(`
"fn note_outside(site: i32, index: i32) {
  loop {
    let before = atomicCompareExchangeWeak(&data1[0], 0u, u32(site));
    if (before.exchanged) { atomicStore(&data1[1], bitcast<u32>(index)); }
    if (before.exchanged || before.old_value != 0u) { break; }
  }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let o = i32(id.x + id.y * groups.x * 64u);
  if (o >= p[0].x) { return; }
  let v0 = select(0, data0[o + p[0].y], (o >= p[0].z) & (o < p[0].w));
  let v1_at = select(v0, v0 + p[1].x, v0 < 0);
  let v1_in = v1_at >= 0 && v1_at < p[1].x;
  if ((!v1_in) & ((o >= p[1].z) & (o < p[1].w))) { note_outside(p[2].x, v0); }
  let v1 = select(-1, v1_at, v1_in);
  data2[o] = v1;
}
"
`);
    expect(source).toContain("var<storage, read_write> data1: array<atomic<u32>>;");
    expect(parameters).toContainEqual({ value: 4 });
  });

  test("a sum adds blocks", () => {
    const kernel: ReduceKernel = {
      role: "reduce",
      op: "sum",
      type: "f32",
      axes: 1,
      input: { space: [4, 100], code: [{ kind: "load", type: "f32", operand: 0, chain: [contiguous([4, 100])] }] },
      value: 0,
      operands: [
        { type: "f32", access: "read" },
        { type: "f32", access: "write" },
      ],
      output: { space: [4], code: [{ kind: "result", type: "f32" }], stores: [{ operand: 1, value: 0 }] },
    };
    expect(body(printKernel(kernel, cpuAdapter).source)).toMatchInlineSnapshot(`
"  if (o >= p[0].x) { return; }

  var total = f32(0);
  for (var r0 = 0; r0 < p[0].w;) {
    let end = min(r0 + 32, p[0].w);
    var part = f32(0);
    for (; r0 < end; r0++) {
      let u0 = data0[o * p[0].z + r0];
      part += u0;
    }
    total += part;
  }
  data1[o] = total;
}"
`);
  });

  const matmul = (m: number, k: number, n: number): ContractKernel => ({
    role: "contract",
    type: "f32",
    batch: [],
    m: [m],
    n: [n],
    k: [k],
    strides: { batch: [], m: [n], n: [1] },
    a: { space: [m, k], code: [{ kind: "load", type: "f32", operand: 0, chain: [contiguous([m, k])] }] },
    aValue: 0,
    b: {
      space: [n, k],
      code: [
        {
          kind: "load",
          type: "f32",
          operand: 1,
          chain: [{ shape: [n, k], strides: [1, n], offset: 0, valid: null }],
        },
      ],
    },
    bValue: 0,
    operands: [
      { type: "f32", access: "read" },
      { type: "f32", access: "read" },
      { type: "f32", access: "write" },
    ],
    output: { space: [m, n], code: [{ kind: "result", type: "f32" }], stores: [{ operand: 2, value: 0 }] },
  });

  test("a matrix product in register tiles", () => {
    const { source, workgroups } = printKernel(matmul(10, 20, 30), cpuAdapter);
    expect(body(source)).toMatchInlineSnapshot(`
"  if (t >= p[0].x) { return; }
  let column_tiles = p[0].y;
  let row_tiles = p[0].z;
  let n0 = (t % column_tiles) * 4;
  let m0 = ((t / column_tiles) % row_tiles) * 4;
  let batch = t / (column_tiles * row_tiles);
  let rows = p[0].w;
  let columns = p[1].x;
  let base = 0;
  let row_from0 = 0;
  let row0 = m0;
  let row0_at0 = row_from0 + row0 * p[1].z;
  let row0_out = row0 * p[1].w;
  let row1 = min(m0 + 1, rows - 1);
  let row1_at0 = row_from0 + row1 * p[1].z;
  let row1_out = row1 * p[1].w;
  let row2 = min(m0 + 2, rows - 1);
  let row2_at0 = row_from0 + row2 * p[1].z;
  let row2_out = row2 * p[1].w;
  let row3 = min(m0 + 3, rows - 1);
  let row3_at0 = row_from0 + row3 * p[1].z;
  let row3_out = row3 * p[1].w;
  let column_from0 = 0;
  let column0 = n0;
  let column0_at0 = column_from0 + column0;
  let column0_out = column0;
  let column1 = min(n0 + 1, columns - 1);
  let column1_at0 = column_from0 + column1;
  let column1_out = column1;
  let column2 = min(n0 + 2, columns - 1);
  let column2_at0 = column_from0 + column2;
  let column2_out = column2;
  let column3 = min(n0 + 3, columns - 1);
  let column3_at0 = column_from0 + column3;
  let column3_out = column3;
  var sum0: vec4<f32>;
  var sum1: vec4<f32>;
  var sum2: vec4<f32>;
  var sum3: vec4<f32>;
  for (var k0 = 0; k0 < p[1].y; k0++) {
    let row_along0 = k0;
    let row0_v0 = data0[row0_at0 + row_along0];
    let row1_v0 = data0[row1_at0 + row_along0];
    let row2_v0 = data0[row2_at0 + row_along0];
    let row3_v0 = data0[row3_at0 + row_along0];
    let column_along0 = k0 * p[2].x;
    let column0_v0 = data1[column0_at0 + column_along0];
    let column1_v0 = data1[column1_at0 + column_along0];
    let column2_v0 = data1[column2_at0 + column_along0];
    let column3_v0 = data1[column3_at0 + column_along0];
    let line = vec4<f32>(column0_v0, column1_v0, column2_v0, column3_v0);
    sum0 += row0_v0 * line;
    sum1 += row1_v0 * line;
    sum2 += row2_v0 * line;
    sum3 += row3_v0 * line;
  }
  finish(base + row0_out + column0_out, sum0.x);
  if (m0 + 0 < rows && n0 + 1 < columns) { finish(base + row0_out + column1_out, sum0.y); }
  if (m0 + 0 < rows && n0 + 2 < columns) { finish(base + row0_out + column2_out, sum0.z); }
  if (m0 + 0 < rows && n0 + 3 < columns) { finish(base + row0_out + column3_out, sum0.w); }
  if (m0 + 1 < rows && n0 + 0 < columns) { finish(base + row1_out + column0_out, sum1.x); }
  if (m0 + 1 < rows && n0 + 1 < columns) { finish(base + row1_out + column1_out, sum1.y); }
  if (m0 + 1 < rows && n0 + 2 < columns) { finish(base + row1_out + column2_out, sum1.z); }
  if (m0 + 1 < rows && n0 + 3 < columns) { finish(base + row1_out + column3_out, sum1.w); }
  if (m0 + 2 < rows && n0 + 0 < columns) { finish(base + row2_out + column0_out, sum2.x); }
  if (m0 + 2 < rows && n0 + 1 < columns) { finish(base + row2_out + column1_out, sum2.y); }
  if (m0 + 2 < rows && n0 + 2 < columns) { finish(base + row2_out + column2_out, sum2.z); }
  if (m0 + 2 < rows && n0 + 3 < columns) { finish(base + row2_out + column3_out, sum2.w); }
  if (m0 + 3 < rows && n0 + 0 < columns) { finish(base + row3_out + column0_out, sum3.x); }
  if (m0 + 3 < rows && n0 + 1 < columns) { finish(base + row3_out + column1_out, sum3.y); }
  if (m0 + 3 < rows && n0 + 2 < columns) { finish(base + row3_out + column2_out, sum3.z); }
  if (m0 + 3 < rows && n0 + 3 < columns) { finish(base + row3_out + column3_out, sum3.w); }
}"
`);
    expect(workgroups).toBe(1);
  });

  test("a GPU gets workgroup tiles for large products and one invocation an output for small ones", () => {
    expect(printKernel(matmul(256, 64, 256), gpu).source).toContain("var<workgroup> tile_a");
    expect(printKernel(matmul(256, 64, 256), gpu).workgroups).toBe(16);
    expect(printKernel(matmul(10, 20, 30), gpu).source).not.toContain("workgroupBarrier");
    expect(printKernel(matmul(10, 20, 30), gpu).workgroups).toBe(Math.ceil(300 / 64));
  });
});
