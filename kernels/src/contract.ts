/**
 * Contractions: in register tiles, or through workgroup memory.
 */
import type { Body, ContractKernel, PrintedKernel, Target } from "./description.ts";
import { loops, printOutput, product, WORKGROUP } from "./ending.ts";
import { type Axis, address, BodyPrinter, outerViews, Parameters, takeApart } from "./print.ts";
import type { MathFunction } from "./scalar/wgsl.ts";
import { declarations, fill } from "./skeleton.ts";
import { coalesce, type View } from "./view.ts";
import contractSkeleton from "./wgsl/contract.wgsl";
import tileSkeleton from "./wgsl/contract_tile.wgsl";

/** Outputs below which a GPU is better filled by one invocation an output than by 64 × 64 tiles. */
const SMALL_OUTPUT = 64 * 64 * 4;

/** How the dimensions of both operands of a contraction fall into groups that are walked as one. */
function contractGroups(kernel: ContractKernel) {
  const { batch, m, n, k, strides } = kernel;
  const [b, mm, nn] = [batch.length, m.length, n.length];
  const range = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i);
  const part = (view: View, dims: readonly number[]): View => ({
    shape: dims.map((d) => view.shape[d]),
    strides: dims.map((d) => view.strides[d]),
    offset: 0,
    valid: null,
  });
  const aViews = outerViews(kernel.a);
  const bViews = outerViews(kernel.b);
  return {
    batch: coalesce(batch, [
      ...aViews.map((v) => part(v, range(0, b))),
      ...bViews.map((v) => part(v, range(0, b))),
      place(batch, strides.batch),
    ]),
    m: coalesce(m, [...aViews.map((v) => part(v, range(b, mm))), place(m, strides.m)]),
    n: coalesce(n, [...bViews.map((v) => part(v, range(b, nn))), place(n, strides.n)]),
    k: coalesce(k, [
      ...aViews.map((v) => part(v, range(b + mm, k.length))),
      ...bViews.map((v) => part(v, range(b + nn, k.length))),
    ]),
  };
}

/** Where a group's indices lie in the output. */
const place = (shape: readonly number[], strides: readonly number[]): View => ({
  shape,
  strides,
  offset: 0,
  valid: null,
});

/** Dimension numbers moved up by `by`: from a group's own numbering to the operand's. */
const shifted = (axes: readonly Axis[], by: number): Axis[] =>
  axes.map(({ dims, coordinate }) => ({ dims: dims.map((d) => d + by), coordinate }));

export function printContract(kernel: ContractKernel, target: Target): PrintedKernel {
  const outputs = product(kernel.output.space);
  if (target.workgroupMemory && outputs >= SMALL_OUTPUT && product(kernel.m) >= 16 && product(kernel.n) >= 16) {
    return printContractTile(kernel);
  }
  const tile = (size: number) => (!target.workgroupMemory && size >= 4 ? 4 : 1);
  return printContractRegister(kernel, tile(product(kernel.m)), tile(product(kernel.n)));
}

/** How many tiles of rows × columns there are, and the slots that say so. */
function tiling({ batch, m, n }: ContractKernel, rows: number, columns: number, params: Parameters) {
  const rowTiles = Math.ceil(product(m) / rows);
  const columnTiles = Math.ceil(product(n) / columns);
  const tiles = rowTiles * columnTiles * product(batch);
  const slots = {
    tiles: params.number(tiles),
    columnTiles: params.number(columnTiles),
    rowTiles: params.number(rowTiles),
    m: params.number(product(m)),
    n: params.number(product(n)),
  };
  return { tiles, slots };
}

function printContractRegister(kernel: ContractKernel, rows: number, columns: number): PrintedKernel {
  const params = new Parameters();
  const functions = new Set<MathFunction>();
  const { type } = kernel;
  const { tiles, slots: header } = tiling(kernel, rows, columns, params);
  const groups = contractGroups(kernel);
  const b = kernel.batch.length;

  const bases: string[] = [];
  const walk = loops(kernel.k, groups.k, "k", params);
  const batch = takeApart("batch", kernel.batch, groups.batch, "batch", params);
  const inner: string[] = [];
  bases.push(...batch.lines);
  bases.push(`let base = ${address(place(kernel.batch, kernel.strides.batch), batch.axes, params)};`);

  // For each operand: the element numbers of its loads where a line (row or column) starts, their part along k, and
  // the values of the lines, one for each.
  const side = (name: "row" | "column", body: Body, value: number, count: number) => {
    const rowwise = name === "row";
    const own = rowwise ? kernel.m : kernel.n;
    const strides = rowwise ? kernel.strides.m : kernel.strides.n;
    const loads = body.code
      .flatMap((instruction) => (instruction.kind === "load" ? [instruction.chain[0]] : []))
      .map((view, i) => ({ i, view }));
    for (const { i, view } of loads) {
      bases.push(`let ${name}_from${i} = ${address(view, batch.axes, params)};`);
      inner.push(`let ${name}_along${i} = ${address(view, shifted(walk.axes, b + own.length), params, false)};`);
    }
    const printLine = (line: string, first: string) => {
      bases.push(`let ${line} = ${first};`);
      const apart = takeApart(line, own, rowwise ? groups.m : groups.n, `${line}_`, params);
      bases.push(...apart.lines);
      for (const { i, view } of loads) {
        bases.push(`let ${line}_at${i} = ${name}_from${i} + ${address(view, shifted(apart.axes, b), params, false)};`);
      }
      bases.push(`let ${line}_out = ${address(place(own, strides), apart.axes, params, false)};`);
      const printer = new BodyPrinter(
        `${line}_v`,
        params,
        kernel.operands,
        null,
        (i) => `${line}_at${i} + ${name}_along${i}`,
      );
      const result = printer.print(body.code, [])(value);
      inner.push(...printer.lines);
      for (const f of printer.functions) functions.add(f);
      return result;
    };
    const start = params.list.length;
    const first = rowwise ? "m0" : "n0";
    const values = [printLine(`${name}0`, first)];
    for (let i = 1; i < count; i++) {
      const inside = `min(${first} + ${i}, ${rowwise ? "rows" : "columns"} - 1)`;
      values.push(params.repeat(start, () => printLine(`${name}${i}`, inside)));
    }
    return values;
  };
  const left = side("row", kernel.a, kernel.aValue, rows);
  const right = side("column", kernel.b, kernel.bValue, columns);

  const vector = columns === 4;
  const accumulator = vector ? `vec4<${type}>` : type;
  const lanes = vector ? `vec4<${type}>(${right.join(", ")})` : right[0];
  inner.push(`let line = ${lanes};`);
  const accumulators: string[] = [];
  const stores: string[] = [];
  for (let i = 0; i < rows; i++) {
    accumulators.push(`var sum${i}: ${accumulator};`);
    inner.push(`sum${i} += ${left[i]} * line;`);
    for (let j = 0; j < columns; j++) {
      const call = `finish(base + row${i}_out + column${j}_out, sum${i}${vector ? `.${"xyzw"[j]}` : ""});`;
      stores.push(i + j === 0 ? call : `if (m0 + ${i} < rows && n0 + ${j} < columns) { ${call} }`);
    }
  }
  return {
    source: fill(contractSkeleton, {
      ...header,
      type,
      rows: `${rows}`,
      columns: `${columns}`,
      bases,
      accumulators,
      open: walk.open,
      body: inner,
      close: walk.close,
      stores,
      output: printOutput(kernel.operands, kernel.output, params, functions, "result"),
      declarations: declarations(kernel.operands, params, functions),
    }),
    parameters: params.list,
    workgroups: Math.ceil(tiles / WORKGROUP),
  };
}

function printContractTile(kernel: ContractKernel): PrintedKernel {
  const params = new Parameters();
  const functions = new Set<MathFunction>();
  const { type } = kernel;
  const { tiles, slots } = tiling(kernel, 64, 64, params);
  const header = { ...slots, k: params.number(product(kernel.k)) };
  const groups = contractGroups(kernel);
  const b = kernel.batch.length;
  const load = (body: Body, value: number, own: readonly number[], name: string, group: readonly number[][]) => {
    const batch = takeApart("batch", kernel.batch, groups.batch, "batch", params);
    const line = takeApart(name, own, group, name, params);
    const depth = takeApart("k", kernel.k, groups.k, "k", params);
    const printer = new BodyPrinter("v", params, kernel.operands);
    const axes = [...batch.axes, ...shifted(line.axes, b), ...shifted(depth.axes, b + own.length)];
    const values = printer.print(body.code, axes);
    for (const f of printer.functions) functions.add(f);
    return [...batch.lines, ...line.lines, ...depth.lines, ...printer.lines, `return ${values(value)};`];
  };
  const batch = takeApart("batch", kernel.batch, groups.batch, "batch", params);
  const m = takeApart("m", kernel.m, groups.m, "m", params);
  const n = takeApart("n", kernel.n, groups.n, "n", params);
  const outputIndex = [
    ...batch.lines,
    ...m.lines,
    ...n.lines,
    `return ${address(place(kernel.batch, kernel.strides.batch), batch.axes, params)}`,
    `  + ${address(place(kernel.m, kernel.strides.m), m.axes, params)}`,
    `  + ${address(place(kernel.n, kernel.strides.n), n.axes, params)};`,
  ];
  return {
    source: fill(tileSkeleton, {
      ...header,
      type,
      loadA: load(kernel.a, kernel.aValue, kernel.m, "m", groups.m),
      loadB: load(kernel.b, kernel.bValue, kernel.n, "n", groups.n),
      outputIndex,
      output: printOutput(kernel.operands, kernel.output, params, functions, "result"),
      declarations: declarations(kernel.operands, params, functions),
    }),
    parameters: params.list,
    workgroups: tiles,
  };
}
