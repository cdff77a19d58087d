/**
 * The cases of torch-modules.json: modules with their options, state and inputs, and what torch makes of them.
 */
import { readFileSync } from "node:fs";
import { type DType, Tensor, tensor } from "@loopgrad/tensor";
import * as nn from "../index.ts";

export interface GoldenTensor {
  shape: number[];
  dtype: DType;
  data: number[];
}

export interface Case {
  module: string;
  args: unknown[];
  options: Record<string, unknown>;
  wrap: "weightNorm" | "spectralNorm" | null;
  wrapOptions: Record<string, unknown>;
  training: boolean;
  text: string;
  parameters: string[];
  state: Record<string, GoldenTensor>;
  inputs: (GoldenTensor & { requiresGrad: boolean })[];
  call: Record<string, unknown>;
  outputs: GoldenTensor[];
  grads: (GoldenTensor | null)[];
  grads2: (GoldenTensor | null)[] | string;
  buffersAfter: Record<string, GoldenTensor>;
}

const file = new URL("./torch-modules.json", import.meta.url);
const exported: Record<string, unknown> = { ...nn };
export const { cases } = JSON.parse(readFileSync(file, "utf8")) as { cases: Case[] };

export const made = ({ shape, dtype, data }: GoldenTensor, requiresGrad = false): Tensor =>
  tensor(data, { shape, dtype, requiresGrad });

const isGolden = (x: unknown): x is GoldenTensor => typeof x === "object" && x !== null && "dtype" in x;

const constant = (x: unknown): unknown => (isGolden(x) ? made(x) : x);

/** Keywords as options. */
const optionsOf = (keywords: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(keywords).map(([name, value]) => [
      name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
      constant(value),
    ]),
  );

/** A call without options is made without an options object: not every forward takes one. */
const given = (keywords: Record<string, unknown>): unknown[] =>
  Object.keys(keywords).length === 0 ? [] : [optionsOf(keywords)];

export function build({ module, args, options, wrap, wrapOptions, training }: Case): nn.Module {
  const Class = exported[module] as new (...args: unknown[]) => nn.Module;
  const layer = new Class(...args.map(constant), ...given(options)).train(training);
  if (wrap === "weightNorm") nn.weightNorm(layer, optionsOf(wrapOptions));
  if (wrap === "spectralNorm") nn.spectralNorm(layer, optionsOf(wrapOptions));
  return layer;
}

export const flat = (output: unknown): Tensor[] =>
  output instanceof Tensor ? [output] : (output as unknown[]).filter((x) => x !== null).flatMap(flat);

export const name = ({ module, args, options, wrap, training }: Case): string =>
  [wrap ?? "", module, JSON.stringify([...args, options]), training ? "" : "eval"]
    .filter((part) => part !== "")
    .join(" ");

/** What its forward takes: the inputs, and the options of the call. An LSTM's state is a pair. */
export function argumentsOf({ module, call }: Case, inputs: readonly Tensor[]): unknown[] {
  const args = module === "LSTM" && inputs.length === 3 ? [inputs[0], inputs.slice(1)] : inputs;
  return [...args, ...(inputs.length === 0 ? [] : given(call))];
}
