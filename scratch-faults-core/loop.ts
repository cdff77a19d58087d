
import { noGrad } from "@loopgrad/autograd";
import { BatchNorm1d, Dropout, functional as F, Linear, type Module, Parameter, ReLU, Sequential } from "@loopgrad/nn";
import { type Device, init, manualSeed, randint, randn, type Tensor, tensor } from "@loopgrad/tensor";
import { Adam, clipGradNorm, type Optimizer, SGD } from "@loopgrad/optim";
const FEATURES = 6;
const CLASSES = 3;
const BATCH = 8;

const network = (): Module & { forward(x: Tensor): Tensor } =>
  new Sequential(
    new Linear(FEATURES, 16),
    new BatchNorm1d(16),
    new ReLU(),
    new Dropout({ p: 0.2 }),
    new Linear(16, CLASSES),
  ) as never;

/** One kind of loop: what it does beside the common parts. */
interface Loop {
  steps: number;
  optimizer: (params: Tensor[]) => Optimizer<object>;
  /** Reads the loss before the gradient, so that all that the tape saves is stored. */
  readsBefore?: boolean;
  /** New data, given by the host, at every step. */
  freshData?: boolean;
  /** Clips gradients; reads the loss and an accuracy after the step. */
  metrics?: boolean;
}

const adam = (params: Tensor[]): Optimizer<object> => new Adam(params, { lr: 1e-2 });
const sgd = (params: Tensor[]): Optimizer<object> => new SGD(params, { lr: 0.05, momentum: 0.9 });

const LOOPS: Record<string, Loop> = {
  "Adam, nothing read": { steps: 1000, optimizer: adam },
  "SGD, new data at every step": { steps: 1000, optimizer: sgd, freshData: true },
  "clipping, loss and accuracy read": { steps: 300, optimizer: adam, metrics: true, freshData: true },
  "loss read before the gradient": { steps: 300, optimizer: sgd, readsBefore: true },
};

/** Runs a loop; returns the bytes that values held after each step. */
async function run(device: Device, { steps, optimizer, readsBefore, freshData, metrics }: Loop): Promise<number[]> {
  const model = network();
  const opt = optimizer(model.parameters());
  const [fixedX, fixedY] = [randn([BATCH, FEATURES]), randint(0, CLASSES, [BATCH])];
  const bytes: number[] = [];
  for (let i = 0; i < steps; i++) {
    const x = freshData ? tensor(Float32Array.from({ length: BATCH * FEATURES }, (_, k) => Math.sin(i + k))) : fixedX;
    const y = freshData ? tensor(Int32Array.from({ length: BATCH }, (_, k) => (i + k) % CLASSES)) : fixedY;
    opt.zeroGrad();
    const logits = model.forward(x.reshape([BATCH, FEATURES]));
    const loss = F.crossEntropy(logits, y);
    if (readsBefore) await loss.item();
    loss.backward();
    if (metrics) clipGradNorm(model.parameters(), 1);
    opt.step();
    if (metrics) await Promise.all([loss.item(), logits.argmax(1).eq(y).to("float32").mean().item()]);
    bytes.push(device.stats().usedBytes);
  }
  return bytes;
}


const device = await init({ device: "cpu" });
manualSeed(1);
for (const [name, loop] of Object.entries(LOOPS)) {
  const bytes = await run(device, loop);
  const early = Math.max(...bytes.slice(20, 100));
  const late = Math.max(...bytes.slice(-100));
  console.log(name, early, late, late - early, bytes.filter((_, i) => i % Math.floor(bytes.length / 20) === 0).join(" "));
}
