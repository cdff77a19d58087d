/**
 * `Symbol.dispose` where an engine has none yet (Safari; other browsers before 2025).
 *
 * Compilers that translate `using` for such engines look for the same registered symbols. Imported before the first
 * class that has a method of that name.
 */
for (const name of ["dispose", "asyncDispose"] as const) {
  if (Symbol[name] === undefined) Object.defineProperty(Symbol, name, { value: Symbol.for(`Symbol.${name}`) });
}
