/**
 * What the command line takes, and what it says of the rest.
 */
import { expect, test } from "@jest/globals";
import { command, type Given, listing, wantedRows } from "./options.ts";

/** The rows that a command line asks for, in words. */
function rows(text: string): string[] {
  command.parse(text.split(" "), { from: "user" });
  return wantedRows(command.args, command.opts<Given>()).map(
    ({ workload, shown }) => `${workload.id} ${JSON.stringify(shown)}`,
  );
}

/** What the command line says. */
function refusal(text: string): string {
  let said = "";
  command.configureOutput({ writeErr: (line) => (said += line) });
  command.exitOverride((error) => {
    throw error;
  });
  expect(() => rows(text)).toThrow();
  return said;
}

test("list names every workload, with what it takes", () => {
  const ids =
    "w0 w1 w2 w3 w4 matmul conv elementwise reduce softmax layernorm mlp resnet8 transformer lstm adam200 firstcall";
  for (const id of `${ids} bundle`.split(" ")) expect(listing()).toMatch(new RegExp(`^${id} `, "m"));
  expect(listing()).toContain("--size 512  --shape square  --dtype float32  --iterations 7");
});

test("there is a row for each id and each combination of lists", () => {
  expect(rows("w0 w1 --steps 1,5")).toEqual([
    'w0 {"steps":1,"tasks":1,"batched":false,"dtype":"float32"}',
    'w0 {"steps":5,"tasks":1,"batched":false,"dtype":"float32"}',
    'w1 {"steps":1,"tasks":25,"batched":true,"dtype":"float32"}',
    'w1 {"steps":5,"tasks":25,"batched":true,"dtype":"float32"}',
  ]);
  expect(rows("w1 --no-batched")).toEqual(['w1 {"steps":1,"tasks":25,"batched":false,"dtype":"float32"}']);
  expect(rows("adam200")).toHaveLength(2);
  expect(rows("matmul --size 64,128 --shape square,tall --dtype float32")).toHaveLength(4);
});

test.each([
  ["w0 w9", 'unknown workload "w9"'],
  ["w0 --step 2", "unknown option '--step'"],
  ["w3 --tasks 2", "--tasks is not for w3, which takes --steps 100  --optimizer sgd  --checkpoint none"],
  ["w0 w3 --optimizer adam", "--optimizer is not for w0"],
  ["w3 --iterations 2", "--iterations is not for w3"],
  ["bundle --steps 2", "--steps is not for bundle, which takes --part some,all"],
  ["w3 --checkpoint most", "Wanted a whole number"],
  ["w4 --batched", "--batched is not for w4"],
  ["mlp --no-batched", "--batched is not for mlp"],
  ["w1 --shape tall", "--shape is not for w1, which takes --steps 1  --tasks 25  --batched  --dtype float32"],
  ["w0 --steps 0", "at least 1"],
  ["w0 --steps 1,x", "Wanted a whole number"],
  ["w4 --steps 9", "--steps of w4: at least 10"],
  ["matmul --shape round", "Wanted square, tall, batched, transposed."],
  ["layernorm --shape transposed", "--shape transposed is not for layernorm: wanted square, tall, batched"],
  ["adam200 --part some", "--part some is not for adam200: wanted update, train"],
  ["mlp --dtype float16", "--dtype float16 is not for mlp: wanted float32, float64"],
  ["matmul --dtype float64", "wanted --device cpu"],
  ["matmul --dtype float16 --device cpu", "wanted --device webgpu"],
  ["w0 --device tpu", "Wanted webgpu, cpu"],
  ["w0 --device cpu --adapter null", "--adapter is for --device webgpu"],
  ["w3 --profile", "--profile is not for w3: wanted w0, w1"],
  ["matmul --peers higher", "--peers higher has none of the workloads: wanted for matmul: jax-js, tfjs, torch, jax"],
  [
    "matmul --device cpu --dtype float64 --peers jax",
    "--dtype float64 is not for --peers jax: wanted float32, or torch",
  ],
  ["matmul --device cpu --peers torch,tfjs:webgpu", "--peers tfjs:webgpu takes the adapter of --device webgpu"],
  ["matmul --peers numpy", "Wanted jax-js, tfjs, torch, higher, jax"],
  ["w0 --adapter null --peers torch", "--adapter null computes nothing"],
  ["w0 --threads 2", "--threads is for --peers"],
  ["bundle --browser", "--browser is not for bundle"],
  ["w0 --browser --adapter null", "--adapter null is for Node"],
  ["w0 --browser --peers torch", "--peers is not for --browser"],
])("%s is an error that says what fits", (text, says) => {
  expect(refusal(text)).toContain(says);
});
