/** Imported first: hides Node's `AsyncLocalStorage`, as browsers have none. */
Object.defineProperty(process, "getBuiltinModule", { value: undefined, configurable: true });

export {};
