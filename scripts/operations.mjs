/**
 * docs/operations.md: what loopgrad has of torch's public names, which docs/torch/names.json lists as torch 2.13 has them.
 *
 *     LOOPGRAD_WRITE_OPERATIONS=1 node scripts/jest.mjs packages/loopgrad/src/operations    writes the page anew
 *
 * A name is loopgrad's if it is exported, or a method of Tensor, in camelCase or as RENAMED says. For what will never come
 * a pattern gives the reason; the rest is "not yet".
 */
/** @typedef {Record<string, any>} Library  what `loopgrad` exports */

/**
 * Names that are not torch's in camelCase.
 *
 * @type {Record<string, string | null>}
 */
const RENAMED = {
  "torch.linalg.inv": "inverse",
  "torch.linalg.solve_triangular": "triangularSolve",
  "torch.linalg.vector_norm": "norm",
  "torch.special.logit": "logit",
  "torch.special.psi": "digamma",
  "torch.Tensor.size": "Tensor.shape",
  "torch.Tensor.nelement": "Tensor.numel",
  "torch.Tensor.element_size": null,
  "torch.Tensor.numpy": "Tensor.data",
  "torch.Tensor.unfold": "Tensor.unfold",
  "torch.Tensor.type": "Tensor.to",
  "torch.Tensor.type_as": "Tensor.to",
  "torch.Tensor.cpu": "Tensor.to",
  "torch.Tensor.requires_grad": "Tensor.requiresGrad",
  "torch.Tensor.requires_grad_": "Tensor.requiresGrad_",
  "torch.autograd.Function": "customFunction",
  "torch.autograd.backward": "Tensor.backward",
  "torch.autograd.no_grad": "noGrad",
  "torch.autograd.enable_grad": "enableGrad",
  "torch.autograd.detect_anomaly": "detectAnomaly",
  "torch.autograd.set_detect_anomaly": "detectAnomaly",
  "torch.get_default_dtype": "Device.defaultDType",
  "torch.set_default_dtype": "init",
  "torch.set_default_device": "setDevice",
  "torch.get_default_device": "getDevice",
  "torch.save": "saveSafetensors",
  "torch.load": "loadSafetensors",
  "torch.optim.Optimizer": "Optimizer",
};

/**
 * What will not come, and why. The first pattern that matches a name speaks.
 *
 * @type {[RegExp, string][]}
 */
const WILL_NOT = [
  [
    /\.(copy|set|resize|swap|apply|map|map2|put|share|rename|align|detach|squeeze|unsqueeze|t|transpose|zero|fill)\w*_$|_$/,
    "tensors never change; the function without _ gives a new one",
  ],
  [/quantiz|\bq_|qint|int_repr|dequant|fake_quant|choose_qparams/, "there are no quantized dtypes"],
  [
    /sparse|coo|csr|csc|bsr|bsc|coalesce|ccol|crow|(?<!tri[lu])_indices$|to_mkldnn|mkldnn/,
    "there are no sparse layouts",
  ],
  [
    /complex|conj|\.real$|\.imag$|polar$|angle$|cfloat|cdouble|chalf|\.H$|\.mH$|is_neg|resolve_/,
    "there are no complex dtypes",
  ],
  [
    /cuda|xpu|hpu|mps|ipu|vulkan|cudnn|mtia|cudart|nccl|pin_memory|is_pinned|storage|data_ptr|stride|contiguous|as_strided|dlpack|shared|is_meta|layout|from_file|frombuffer/,
    "devices are WebGPU and cpu; tensors have no storage or strides to see",
  ],
  [/names|align_|refine|has_names/, "dims have no names"],
  [
    /jit|compile|export|script|fx|autocast|autograd_profiler|profiler|graph_task|dynamo|module_load|reinforce|_copy$|unsafe_|batch_norm_|native|cudnn|embedding_renorm|rnn_(relu|tanh)(_cell)?$|(lstm|gru)(_cell)?$/,
    "an internal of torch; the module or the plain name is the way",
  ],
  [
    /from_numpy|numpy|as_tensor|asarray|typename|is_storage|is_tensor|printoptions|num_threads|interop|deterministic|warn_always|matmul_precision|flush_denormal|seed$/,
    "of Python, or of torch's runtime; tensor(data) takes numbers, manualSeed seeds",
  ],
  [/bitwise_(left|right)_shift|__\w+__/, "operators do not exist in JavaScript for objects"],
];

const camel = (/** @type {string} */ name) =>
  name.replace(/(?<=\w)_([a-z0-9])/g, (_, /** @type {string} */ letter) => letter.toUpperCase());

/**
 * What of loopgrad bears a name of torch; null for none.
 *
 * @param {string} space
 * @param {string} name
 * @param {Library} lg
 */
function ours(space, name, lg) {
  const full = `${space}.${name}`;
  if (full in RENAMED) return RENAMED[full];
  const its = camel(name);
  const method = its in lg.Tensor.prototype ? `Tensor.${its}` : null;
  if (space === "torch.Tensor") return method;
  if (space === "torch.nn.functional") return its in lg.functional ? `functional.${its}` : null;
  if (space === "torch.nn.init") return its.replace(/_$/, "") in lg.nn.init ? `nn.init.${its.replace(/_$/, "")}` : null;
  if (its in lg) return its;
  if (space === "torch" && its in lg.functional) return `functional.${its}`;
  return method;
}

/**
 * Whether loopgrad has what the page calls by this name.
 *
 * @param {string} name
 * @param {Library} lg
 */
export function isThere(name, lg) {
  const [first, ...rest] = name.split(".");
  if (first === "Tensor" || first === "Device") return rest[0] in lg[first].prototype || first === "Device";
  return [first, ...rest].reduce((/** @type {any} */ at, key) => at?.[key], lg) !== undefined;
}

/**
 * The page, for lists of names by namespace.
 *
 * @param {Record<string, string>} names
 * @param {Library} lg
 */
export function operationsPage(names, lg) {
  const lines = [
    "# torch's names, and loopgrad's",
    "",
    "Every public name of torch 2.13, with loopgrad's. A test compares this page with what",
    "`scripts/operations.mjs` makes, and writes it anew where LOOPGRAD_WRITE_OPERATIONS is set.",
  ];
  for (const [space, list] of Object.entries(names)) {
    const rows = list.split(" ").map((name) => {
      const its = ours(space, name, lg);
      if (its !== null) return [name, `\`${its}\``];
      const reason = WILL_NOT.find(([pattern]) => pattern.test(`${space}.${name}`))?.[1];
      return [name, reason === undefined ? "not yet" : `will not: ${reason}`];
    });
    const count = rows.filter(([, its]) => its.startsWith("`")).length;
    lines.push("", `## ${space}`, "", `${count} of ${rows.length}.`, "", "| torch | loopgrad |", "| --- | --- |");
    for (const [name, its] of rows) lines.push(`| ${name} | ${its} |`);
  }
  return `${lines.join("\n")}\n`;
}
