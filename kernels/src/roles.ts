/**
 * The roles: how each kind of kernel fills its skeleton.
 */
import type {
  Body,
  ContractKernel,
  KernelDescription,
  MapKernel,
  OutputBody,
  PrintedKernel,
  ReduceKernel,
  ScanKernel,
  ScatterKernel,
  SortKernel,
  Target,
} from "./description.ts";
import { type Axis, address, BodyPrinter, loaded, outerViews, Parameters, sizeOf, stored, takeApart } from "./print.ts";
import { declarations, fill } from "./skeleton.ts";
import { coalesce, contiguous, type View } from "./view.ts";
import contractSkeleton from "./wgsl/contract.wgsl";
import tileSkeleton from "./wgsl/contract_tile.wgsl";
import mapSkeleton from "./wgsl/map.wgsl";
import reduceSkeleton from "./wgsl/reduce.wgsl";
import scanSkeleton from "./wgsl/scan.wgsl";
import scatterSkeleton from "./wgsl/scatter.wgsl";
import sortSkeleton from "./wgsl/sort.wgsl";

const WORKGROUP = 64;
/** Terms that a reduction adds up before it adds their sum to the total. */
const BLOCK = 32;
/** Outputs below which a GPU is better filled by one invocation an output than by 64 × 64 tiles. */
const SMALL_OUTPUT = 64 * 64 * 4;

const product = (sizes: readonly number[]): number => sizes.reduce((n, d) => n * d, 1);

/** WGSL source, parameters and dispatch size of a kernel. */
export function printKernel(kernel: KernelDescription, target: Target): PrintedKernel {
  switch (kernel.role) {
    case "map":
      return printMap(kernel);
    case "reduce":
      return printReduce(kernel);
    case "contract":
      return printContract(kernel, target);
    case "scan":
      return printScan(kernel);
    case "sort":
      return printSort(kernel);
    case "scatter":
      return printScatter(kernel);
    default:
      kernel satisfies never;
      throw new Error("unknown role");
  }
}

/** The code that ends a kernel: over output element `o`, in lines. */
function printOutput(output: OutputBody, params: Parameters, functions: Set<string>, result: string | null): string[] {
  const groups = coalesce(output.space, outerViews(output));
  const apart = takeApart("o", output.space, groups, "o", params);
  const body = new BodyPrinter("v", params, result);
  const values = body.print(output.code, apart.axes);
  for (const name of body.functions) functions.add(name);
  const stores = output.stores.map(({ operand, value }) => {
    const { type } = output.code[value];
    return stored(operand, "o", values[value], type);
  });
  return [...apart.lines, ...body.lines, ...stores];
}

function printMap(kernel: MapKernel): PrintedKernel {
  const params = new Parameters();
  const functions = new Set<string>();
  const size = product(kernel.output.space);
  const slots = { size: params.number(size), output: printOutput(kernel.output, params, functions, null) };
  return {
    source: fill(mapSkeleton, { ...slots, declarations: declarations(kernel.operands, params, functions) }),
    parameters: params.list,
    workgroups: Math.ceil(size / WORKGROUP),
  };
}

/** Nested loops over groups of dimensions; the innermost body stands between `open` and `close`. */
function loops(space: readonly number[], groups: readonly (readonly number[])[], name: string, params: Parameters) {
  const open: string[] = [];
  const close: string[] = [];
  const axes: Axis[] = [];
  groups.forEach((dims, g) => {
    const coordinate = `${name}${g}`;
    open.push(`for (var ${coordinate} = 0; ${coordinate} < ${params.number(sizeOf(space, dims))}; ${coordinate}++) {`);
    close.push("}");
    axes.push({ dims, coordinate });
  });
  return { open, close, axes };
}

function printReduce(kernel: ReduceKernel): PrintedKernel {
  const params = new Parameters();
  const functions = new Set<string>();
  const { input, op, type } = kernel;
  const outer = input.space.length - kernel.axes;
  const size = product(input.space.slice(0, outer));
  const sizeText = params.number(size);
  const groups = coalesce(input.space, outerViews(input), [outer]);
  const apart = takeApart(
    "o",
    input.space,
    groups.filter((g) => g[0] < outer),
    "i",
    params,
  );
  const reduced = groups.filter((g) => g[0] >= outer);
  const walk = loops(input.space, reduced, "r", params);
  const body = new BodyPrinter("u", params);
  const value = body.print(input.code, [...apart.axes, ...walk.axes])[kernel.value];
  for (const name of body.functions) functions.add(name);

  const begin: string[] = [];
  const open = [...walk.open];
  const close = [...walk.close];
  const step: string[] = [];
  if (op === "sum") {
    begin.push(`var total = ${type}(0);`);
    const last = walk.axes.at(-1);
    if (last === undefined) step.push(`total += ${value};`);
    else {
      const r = last.coordinate;
      const length = params.number(sizeOf(input.space, last.dims));
      open[open.length - 1] = `for (var ${r} = 0; ${r} < ${length};) {`;
      open.push(`let end = min(${r} + ${BLOCK}, ${length});`, `var part = ${type}(0);`, `for (; ${r} < end; ${r}++) {`);
      close.unshift("}", "total += part;");
      step.push(`part += ${value};`);
    }
  } else if (op === "prod") {
    begin.push(`var total = ${type}(1);`);
    step.push(`total *= ${value};`);
  } else {
    // The first element begins; a NaN stays. An empty maximum is the lowest value of the type.
    const nan = type === "f32";
    if (nan) functions.add("is_nan").add("infinity");
    const lowest = nan ? "-infinity()" : type === "i32" ? "i32(-2147483647 - 1)" : "0u";
    begin.push(`var total = ${lowest};`);
    const better = nan ? `${value} > total || (is_nan(${value}) && !is_nan(total))` : `${value} > total`;
    if (op === "max") step.push(`if (${better}) { total = ${value}; }`);
    else {
      begin.push("var place = 0;", "var counter = 0;");
      // Where all are the lowest value, the first is the answer, and nothing is better than it.
      const fresh = nan ? `!is_nan(total) && (${better})` : better;
      step.push(`if (${fresh}) { total = ${value}; place = counter; }`, "counter++;");
    }
  }
  const result = op === "argmax" ? "place" : "total";
  const output = printOutput(kernel.output, params, functions, result);
  return {
    source: fill(reduceSkeleton, {
      size: sizeText,
      coordinates: apart.lines,
      begin,
      open,
      body: [...body.lines, ...step],
      close,
      output,
      declarations: declarations(kernel.operands, params, functions),
    }),
    parameters: params.list,
    workgroups: Math.ceil(size / WORKGROUP),
  };
}

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

function printContract(kernel: ContractKernel, target: Target): PrintedKernel {
  const outputs = product(kernel.output.space);
  if (target.workgroupMemory && outputs >= SMALL_OUTPUT && product(kernel.m) >= 16 && product(kernel.n) >= 16) {
    return printContractTile(kernel);
  }
  const tile = (size: number) => (!target.workgroupMemory && size >= 4 ? 4 : 1);
  return printContractRegister(kernel, tile(product(kernel.m)), tile(product(kernel.n)));
}

function printContractRegister(kernel: ContractKernel, rows: number, columns: number): PrintedKernel {
  const params = new Parameters();
  const functions = new Set<string>();
  const { type } = kernel;
  const [M, N] = [product(kernel.m), product(kernel.n)];
  const rowTiles = Math.ceil(M / rows);
  const columnTiles = Math.ceil(N / columns);
  const tiles = rowTiles * columnTiles * product(kernel.batch);
  const groups = contractGroups(kernel);
  const b = kernel.batch.length;
  const header = {
    tiles: params.number(tiles),
    columnTiles: params.number(columnTiles),
    rowTiles: params.number(rowTiles),
    m: params.number(M),
    n: params.number(N),
  };

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
    const loads = body.code.flatMap((instruction, i) =>
      instruction.kind === "load" ? [{ i, view: instruction.chain[0] }] : [],
    );
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
      const printer = new BodyPrinter(`${line}_v`, params, null, (i) => `${line}_at${i} + ${name}_along${i}`);
      const result = printer.print(body.code, [])[value];
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
      output: printOutput(kernel.output, params, functions, "result"),
      declarations: declarations(kernel.operands, params, functions),
    }),
    parameters: params.list,
    workgroups: Math.ceil(tiles / WORKGROUP),
  };
}

function printContractTile(kernel: ContractKernel): PrintedKernel {
  const params = new Parameters();
  const functions = new Set<string>();
  const { type } = kernel;
  const [M, N, K] = [product(kernel.m), product(kernel.n), product(kernel.k)];
  const rowTiles = Math.ceil(M / 64);
  const columnTiles = Math.ceil(N / 64);
  const tiles = rowTiles * columnTiles * product(kernel.batch);
  const groups = contractGroups(kernel);
  const b = kernel.batch.length;
  const header = {
    tiles: params.number(tiles),
    columnTiles: params.number(columnTiles),
    rowTiles: params.number(rowTiles),
    m: params.number(M),
    n: params.number(N),
    k: params.number(K),
  };
  const load = (body: Body, value: number, own: readonly number[], name: string, group: readonly number[][]) => {
    const batch = takeApart("batch", kernel.batch, groups.batch, "batch", params);
    const line = takeApart(name, own, group, name, params);
    const depth = takeApart("k", kernel.k, groups.k, "k", params);
    const printer = new BodyPrinter("v", params);
    const axes = [...batch.axes, ...shifted(line.axes, b), ...shifted(depth.axes, b + own.length)];
    const values = printer.print(body.code, axes);
    for (const f of printer.functions) functions.add(f);
    return [...batch.lines, ...line.lines, ...depth.lines, ...printer.lines, `return ${values[value]};`];
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
      output: printOutput(kernel.output, params, functions, "result"),
      declarations: declarations(kernel.operands, params, functions),
    }),
    parameters: params.list,
    workgroups: tiles,
  };
}

function printScan(kernel: ScanKernel): PrintedKernel {
  const params = new Parameters();
  const [outer, length, inner] = kernel.dims;
  const slots = {
    length: params.number(length),
    inner: params.number(inner),
    lines: params.number(outer * inner),
    type: kernel.type,
  };
  return {
    source: fill(scanSkeleton, { ...slots, declarations: declarations(kernel.operands, params, new Set()) }),
    parameters: params.list,
    workgroups: Math.ceil((outer * inner) / WORKGROUP),
  };
}

function printSort(kernel: SortKernel): PrintedKernel {
  const params = new Parameters();
  const [outer, length, inner] = kernel.dims;
  const functions = new Set<string>();
  const out = kernel.first ? "data1" : "data2";
  let before = kernel.descending ? "x > y" : "x < y";
  if (kernel.type === "f32") {
    functions.add("is_nan");
    before = `!is_nan(x) && (is_nan(y) || ${before})`;
  }
  if (kernel.type === "bool") before = kernel.descending ? "x && !y" : "!x && y";
  const slots = {
    length: params.number(length),
    inner: params.number(inner),
    size: params.number(outer * length * inner),
    run: params.number(kernel.run),
    key: kernel.type,
    before: `return ${before};`,
    load: loaded(0, "base + index * inner", kernel.type),
    index: kernel.first ? "i" : "data1[base + i * inner]",
    siblingIndex: kernel.first ? "i" : "data1[base + i * inner]",
    out,
  };
  return {
    source: fill(sortSkeleton, { ...slots, declarations: declarations(kernel.operands, params, functions) }),
    parameters: params.list,
    workgroups: Math.ceil((outer * length * inner) / WORKGROUP),
  };
}

function printScatter(kernel: ScatterKernel): PrintedKernel {
  const params = new Parameters();
  const { shape, indexShape, axis } = kernel;
  const size = product(shape);
  const sizeText = params.number(size);
  const apart = takeApart(
    "o",
    shape,
    shape.map((_, d) => [d]),
    "c",
    params,
  );
  const inside: string[] = [];
  shape.forEach((d, i) => {
    if (i !== axis && indexShape[i] < d) inside.push(`${apart.axes[i].coordinate} < ${params.number(indexShape[i])}`);
  });
  const view = contiguous(indexShape);
  const others = apart.axes.filter((_, i) => i !== axis);
  return {
    source: fill(scatterSkeleton, {
      size: sizeText,
      coordinates: apart.lines,
      inside: inside.length === 0 ? "true" : inside.join(" && "),
      first: address(view, others, params),
      stride: params.number(view.strides[axis]),
      count: params.number(indexShape[axis]),
      position: apart.axes[axis].coordinate,
      declarations: declarations(kernel.operands, params, new Set()),
    }),
    parameters: params.list,
    workgroups: Math.ceil(size / WORKGROUP),
  };
}
