/**
 * Every option of every optimizer: in a second group it acts there and nowhere else, uphill is downhill on the other side whatever
 * else is chosen, and what was saved goes on, though it is loaded into an optimizer that was made with other values. For parameters that
 * step one by one, that step together, and for leaves that are no parameters.
 */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { Parameter } from "@loopgrad/nn";
import { init, numel, type Shape, Tensor, tensor } from "@loopgrad/tensor";
import {
  Adadelta,
  Adagrad,
  Adam,
  Adamax,
  AdamW,
  ASGD,
  NAdam,
  type Optimizer,
  RAdam,
  RMSprop,
  Rprop,
  SGD,
} from "./index.ts";

beforeAll(async () => {
  await init({ device: "cpu", dtype: "float64" });
});

type Options = Readonly<Record<string, unknown>>;
type AnyOptimizer = Optimizer<object> & { paramGroups: ({ params: Tensor[] } & Record<string, unknown>)[] };

interface Rule {
  readonly type: new (params: never, options: never) => unknown;
  /** For every option a value that is not its default. */
  readonly others: Options;
  /** What an option needs beside it to make a difference. */
  readonly beside?: Readonly<Record<string, Options>>;
  /** Options that cannot be had together with all of the others. */
  readonly apart?: readonly string[];
}

const ADAM = { lr: 0.05, betas: [0.7, 0.8], eps: 0.1, weightDecay: 0.2, maximize: true };
const RULES: Record<string, Rule> = {
  SGD: {
    type: SGD,
    others: { lr: 0.05, momentum: 0.7, dampening: 0.3, weightDecay: 0.2, nesterov: true, maximize: true },
    beside: { dampening: { momentum: 0.6 }, nesterov: { momentum: 0.6 } },
    apart: ["dampening"],
  },
  Adam: { type: Adam, others: { ...ADAM, amsgrad: true }, beside: { amsgrad: { betas: [0.9, 0.5] } } },
  AdamW: { type: AdamW, others: { ...ADAM, amsgrad: true }, beside: { amsgrad: { betas: [0.9, 0.5] } } },
  Adadelta: { type: Adadelta, others: { lr: 0.5, rho: 0.7, eps: 1e-3, weightDecay: 0.2, maximize: true } },
  Adagrad: {
    type: Adagrad,
    others: { lr: 0.05, lrDecay: 0.2, weightDecay: 0.2, initialAccumulatorValue: 0.5, eps: 0.1, maximize: true },
  },
  Adamax: { type: Adamax, others: ADAM },
  ASGD: {
    type: ASGD,
    others: { lr: 0.05, lambd: 0.1, alpha: 0.5, t0: 2, weightDecay: 0.2, maximize: true },
    beside: { alpha: { lambd: 0.2 } },
  },
  RMSprop: {
    type: RMSprop,
    others: { lr: 0.05, alpha: 0.7, eps: 0.1, weightDecay: 0.2, momentum: 0.7, centered: true, maximize: true },
  },
  Rprop: { type: Rprop, others: { lr: 0.05, etas: [0.4, 1.5], stepSizes: [0.06, 0.09], maximize: true } },
  NAdam: {
    type: NAdam,
    others: { ...ADAM, momentumDecay: 0.2, decoupledWeightDecay: true },
    beside: { decoupledWeightDecay: { weightDecay: 0.1 } },
  },
  RAdam: {
    type: RAdam,
    others: { ...ADAM, decoupledWeightDecay: true },
    beside: { decoupledWeightDecay: { weightDecay: 0.1 } },
  },
};

const make = ({ type }: Rule, params: readonly Tensor[] | readonly Options[], options: Options): AnyOptimizer =>
  new type(params as never, options as never) as AnyOptimizer;

/** Every option alone, with what it needs; and all of them. */
function choices({ others, beside = {}, apart = [] }: Rule): [string, Options, Options][] {
  const each = Object.entries(others).map(([name, value]): [string, Options, Options] => [
    name,
    { lr: 0.1, ...beside[name] },
    { [name]: value },
  ]);
  const all = Object.fromEntries(Object.entries(others).filter(([name]) => !apart.includes(name)));
  return [...each, ["all", { lr: 0.1 }, all]];
}

/** Parameters that step one by one, that step together, and leaves. */
const KINDS = { "few parameters": 2, "many parameters": 6, leaves: 3 } as const;
type Kind = keyof typeof KINDS;

const SHAPES: readonly Shape[] = [[2, 3], [4], [], [1, 2], [3], [2, 2]];
const numbers = (i: number, at: number): number[] =>
  Array.from({ length: numel(SHAPES[i]) }, (_, k) => Math.sin(1 + 2.3 * i + 0.9 * k + 1.7 * at) / (1 + at / 4));

function parameters(kind: Kind): Tensor[] {
  return Array.from({ length: KINDS[kind] }, (_, i) => {
    const value = tensor(numbers(i, -1)).reshape(SHAPES[i]).detach();
    return kind === "leaves" ? value.requiresGrad_() : new Parameter(value);
  });
}

/** Steps with the same gradients every time; they get smaller, and turn. Some are 0. */
function steps(
  opts: readonly AnyOptimizer[],
  sets: readonly (readonly Tensor[])[],
  from: number,
  to: number,
  sign = 1,
): void {
  for (let at = from; at < to; at++) {
    for (const params of sets) {
      for (const [i, param] of params.entries()) {
        const g = numbers(i, at).map((x, k) => (at === 2 && k === 1 ? 0 : sign * x));
        param.grad = tensor(g).reshape(SHAPES[i]);
      }
    }
    for (const opt of opts) opt.step();
  }
}

/** Parameters and what is remembered of them. */
async function outcome(opt: AnyOptimizer, params: readonly Tensor[]): Promise<unknown[]> {
  const list = async (x: Tensor): Promise<number[]> => Array.from(await x.data(), (v) => v + 0);
  return Promise.all(
    params.map(async (param) => {
      const state = Object.entries(opt.stateOf(param)).map(async ([name, value]) => [
        name,
        value instanceof Tensor ? await list(value) : value,
      ]);
      return [await list(param), await Promise.all(state)];
    }),
  );
}

/** RAdam's formula changes at the sixth step. */
const STEPS = 7;

/** The outcome of an optimizer for each parameter. */
function alone(rule: Rule, kind: Kind, options: Options, sign = 1): Promise<unknown[]> {
  const key = JSON.stringify([rule.type.name, kind, Object.entries(options).sort(), sign]);
  const run = async (): Promise<unknown[]> => {
    const params = parameters(kind);
    const opts = params.map((param) => make(rule, [param], options));
    steps(opts, [params], 0, STEPS, sign);
    return (await Promise.all(opts.map((opt, i) => outcome(opt, [params[i]])))).flat();
  };
  const known = outcomes.get(key) ?? run();
  outcomes.set(key, known);
  return known;
}
const outcomes = new Map<string, Promise<unknown[]>>();

const groupsOf = (opt: AnyOptimizer): Options[] => opt.paramGroups.map(({ params, ...hyper }) => hyper);

/** Values after these steps as torch has them; see golden/torch_options.py. Of ASGD the averages too. */
const TORCH = JSON.parse(readFileSync(new URL("./golden/torch-options.json", import.meta.url), "utf8")) as {
  cases: { rule: string; option: string; options: Options; values: number[][] }[];
};

describe.each(Object.keys(RULES))("%s", (name) => {
  const rule = RULES[name];

  test.each(choices(rule))("with %s steps as torch's does", async (which, base, option) => {
    const golden = TORCH.cases.find((one) => one.rule === name && one.option === which);
    expect(golden?.options).toEqual({ ...base, ...option });
    const params = parameters("few parameters");
    const opt = make(rule, params, { ...base, ...option });
    steps([opt], [params], 0, STEPS);
    const averages = name === "ASGD" ? params.map((param) => opt.stateOf(param).ax as Tensor) : [];
    const values = await Promise.all([...params, ...averages].map(async (x) => Array.from(await x.data())));
    expect(values).toEqual(golden?.values.map((row) => row.map((v) => expect.closeTo(v, 9))));
  });

  test("all options are tried", () => {
    const { defaults } = make(rule, parameters("few parameters"), {});
    expect(Object.keys(rule.others).sort()).toEqual(Object.keys(defaults).sort());
    for (const [option, value] of Object.entries(rule.others)) {
      expect([option, (defaults as Record<string, unknown>)[option]]).not.toEqual([option, value]);
    }
  });

  test.each(choices(rule))("%s in a second group acts there, and not in the first", async (_, base, option) => {
    for (const kind of Object.keys(KINDS) as Kind[]) {
      const wanted = await Promise.all([base, { ...base, ...option }].map((o) => alone(rule, kind, o)));
      expect(wanted[0]).not.toEqual(wanted[1]);
      const { defaults } = make(rule, parameters(kind), {});
      const ways: ((a: Tensor[], b: Tensor[]) => AnyOptimizer)[] = [
        (a, b) => make(rule, [{ params: a }, { params: b, ...option }], base),
        (a, b) => make(rule, [{ params: a, ...defaults, ...base }, { params: b }], { ...base, ...option }),
        (a, b) => {
          const opt = make(rule, a, base);
          opt.addParamGroup({ params: b, ...option });
          return opt;
        },
        (a, b) => {
          const opt = make(rule, [{ params: a }, { params: b }], base);
          Object.assign(opt.paramGroups[1], option);
          return opt;
        },
      ];
      // How a group gets its options has nothing to do with how it steps.
      for (const way of kind === "few parameters" ? ways : ways.slice(0, 1)) {
        const [a, b] = [parameters(kind), parameters(kind)];
        const opt = way(a, b);
        steps([opt], [a, b], 0, STEPS);
        expect(await Promise.all([a, b].map((params) => outcome(opt, params)))).toEqual(wanted);
      }
    }
  });

  test.each(choices(rule))("uphill with %s is downhill by the negative gradients", async (_, base, option) => {
    for (const kind of Object.keys(KINDS) as Kind[]) {
      const options = { ...base, ...option };
      const down = await alone(rule, kind, { ...options, maximize: false }, -1);
      expect(await alone(rule, kind, { ...options, maximize: true })).toEqual(down);
      const params = parameters(kind);
      const opt = make(rule, params, { ...options, maximize: true });
      steps([opt], [params], 0, STEPS);
      expect(await outcome(opt, params)).toEqual(down);
    }
  });

  test.each(choices(rule))(
    "%s is saved, and loaded over other values; the steps go on as they would have",
    async (which, base, option) => {
      for (const kind of Object.keys(KINDS) as Kind[]) {
        const [a, b] = [parameters(kind), parameters(kind)];
        const opt = make(rule, [{ params: a }, { params: b, ...option }], base);
        steps([opt], [a, b], 0, 3);
        const dict = opt.stateDict();
        const [c, d] = [a, b].map((params) =>
          params.map((param) => (kind === "leaves" ? param.detach().requiresGrad_() : new Parameter(param.detach()))),
        );
        // What is saved stays what it was.
        steps([opt], [a, b], 3, STEPS);
        const wanted = await Promise.all([a, b].map((params) => outcome(opt, params)));
        const [, , all] = choices(rule)[choices(rule).length - 1];
        const again = make(rule, [{ params: c }, { params: d }], which === "all" ? {} : all);
        // It has gone its own way before.
        if (kind === "many parameters") {
          const kept = [c, d].map((params) => params.map((param) => param.detach()));
          steps([again], [c, d], 5, 6);
          [c, d].forEach((params, g) => {
            for (const [i, param] of params.entries()) (param as Parameter).assign(kept[g][i]);
          });
        }
        again.loadStateDict(dict);
        expect(groupsOf(again)).toEqual(groupsOf(opt));
        steps([again], [c, d], 3, STEPS);
        expect(await Promise.all([c, d].map((params) => outcome(again, params)))).toEqual(wanted);
      }
    },
  );
});
