/** Parametrizations: parameters computed from others, and two that the field knows by name. */
export {
  isParametrized,
  type Parametrization,
  ParametrizationList,
  registerParametrization,
  removeParametrizations,
} from "./parametrize.ts";
export { type SpectralNormOptions, spectralNorm } from "./spectral-norm.ts";
export { type WeightNormOptions, weightNorm } from "./weight-norm.ts";
