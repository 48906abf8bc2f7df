// Adapters that go wrong on purpose, and other coats for an adapter.

/** The same functions, each answering with a promise. */
export function promised(methods) {
  const wrapped = {};
  for (const [name, method] of Object.entries(methods)) {
    wrapped[name] = typeof method === "function" ? async (...args) => method(...args) : method;
  }
  return wrapped;
}

/**
 * What one method is to do wrong.
 * @typedef {object} Fault
 * @property {(call: number, args: unknown[]) => boolean} [throws] when to throw; calls count from 1
 * @property {unknown} [error] what to throw
 * @property {(call: number, args: unknown[]) => { value: unknown } | undefined} [answers] a made-up answer
 * @property {boolean} [plain] answer with the value rather than a promise of it
 */

/** The fault that throws at the given calls, or at each where none is given. */
export function throwing(error, ...calls) {
  return { error, throws: (call) => calls.length === 0 || calls.includes(call) };
}

/** The fault that throws at each call whose first argument satisfies `test`. */
export function throwingFor(error, test) {
  return { error, throws: (_call, args) => test(args[0]) };
}

/**
 * The adapter with the faults of `plan` in front of it. `plan` is read at each
 * call, so that a test can heal it; `calls` counts and `log` keeps arguments.
 */
export function faulty(adapter, plan = {}) {
  const calls = {};
  const log = [];
  const wrapped = { ...adapter };
  for (const name of Object.keys(adapter).filter((key) => typeof adapter[key] === "function")) {
    calls[name] = 0;
    wrapped[name] = (...args) => {
      calls[name] += 1;
      log.push({ name, args });
      const fault = plan[name];
      const run = () => {
        if (fault?.throws?.(calls[name], args)) throw fault.error;
        const made = fault?.answers?.(calls[name], args);
        return made === undefined ? adapter[name](...args) : made.value;
      };
      return fault?.plain ? run() : (async () => run())();
    };
  }
  return Object.assign(wrapped, { plan, calls, log });
}

/**
 * The adapter with a gauge: `gauge.now` calls are under way, `gauge.peak` were at most.
 * Each gauged call takes a few milliseconds. Several adapters may share one gauge.
 */
export function gauged(adapter, gauge, names, pause = 4) {
  const wrapped = { ...adapter };
  for (const name of names) {
    wrapped[name] = async (...args) => {
      gauge.now += 1;
      gauge.peak = Math.max(gauge.peak, gauge.now);
      try {
        await new Promise((resolve) => setTimeout(resolve, pause));
        return await adapter[name](...args);
      } finally {
        gauge.now -= 1;
      }
    };
  }
  return wrapped;
}

export const newGauge = () => ({ now: 0, peak: 0 });

/** The adapter as an object whose methods insist on their own `this`. */
export function needingThis(adapter) {
  const strict = {};
  for (const [name, value] of Object.entries(adapter)) {
    strict[name] =
      typeof value !== "function"
        ? value
        : function (...args) {
            if (this !== strict) throw new Error(`${name} was called without its own this`);
            return value(...args);
          };
  }
  return strict;
}
