/**
 * The roles: how each kind of kernel fills its skeleton.
 */
import { printContract } from "./contract.ts";
import type {
  KernelDescription,
  MapKernel,
  PrintedKernel,
  ReduceKernel,
  ScanKernel,
  ScatterKernel,
  SortKernel,
  Target,
} from "./description.ts";
import { loops, printOutput, product, WORKGROUP } from "./ending.ts";
import { address, allOf, BodyPrinter, loaded, outerViews, Parameters, sizeOf, stored, takeApart } from "./print.ts";
import type { MathFunction } from "./scalar/wgsl.ts";
import { declarations, fill } from "./skeleton.ts";
import { coalesce, contiguous } from "./view.ts";
import mapSkeleton from "./wgsl/map.wgsl";
import reduceSkeleton from "./wgsl/reduce.wgsl";
import scanSkeleton from "./wgsl/scan.wgsl";
import scatterSkeleton from "./wgsl/scatter.wgsl";
import sortSkeleton from "./wgsl/sort.wgsl";

/** Terms that a reduction adds up before it adds their sum to the total. */
const BLOCK = 32;

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

function printMap(kernel: MapKernel): PrintedKernel {
  const params = new Parameters();
  const functions = new Set<MathFunction>();
  const size = product(kernel.output.space);
  const slots = {
    size: params.number(size),
    output: printOutput(kernel.operands, kernel.output, params, functions, null),
  };
  return {
    source: fill(mapSkeleton, { ...slots, declarations: declarations(kernel.operands, params, functions) }),
    parameters: params.list,
    workgroups: Math.ceil(size / WORKGROUP),
  };
}

function printReduce(kernel: ReduceKernel): PrintedKernel {
  const params = new Parameters();
  const functions = new Set<MathFunction>();
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
  const body = new BodyPrinter("u", params, kernel.operands);
  const value = body.print(input.code, [...apart.axes, ...walk.axes])(kernel.value);
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
  const output = printOutput(kernel.operands, kernel.output, params, functions, result);
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

function printScan(kernel: ScanKernel): PrintedKernel {
  const params = new Parameters();
  const [outer, length, inner] = kernel.dims;
  const slots = {
    length: params.number(length),
    inner: params.number(inner),
    lines: params.number(outer * inner),
    type: kernel.type,
    element: loaded(kernel.operands, 0, "start + i * inner"),
    store: stored(kernel.operands, 1, "start + i * inner", "total + part"),
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
  const functions = new Set<MathFunction>();
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
    load: loaded(kernel.operands, 0, "base + index * inner"),
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
      inside: inside.length === 0 ? "true" : allOf(inside),
      first: address(view, others, params),
      stride: params.number(view.strides[axis]),
      count: params.number(indexShape[axis]),
      position: apart.axes[axis].coordinate,
      start: loaded(kernel.operands, 0, "o"),
      element: loaded(kernel.operands, 2, "at"),
      store: stored(kernel.operands, 3, "o", "sum"),
      declarations: declarations(kernel.operands, params, new Set()),
    }),
    parameters: params.list,
    workgroups: Math.ceil(size / WORKGROUP),
  };
}
