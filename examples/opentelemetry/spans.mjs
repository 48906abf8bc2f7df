// Spans of OpenTelemetry for the rounds of engines, and for the objects that travel in them.
//
// The package publishes what it does on channels of `node:diagnostics_channel`, and knows nothing of OpenTelemetry. This
// file is all that is between the two: copy it into an app, and change what it should say.
//
//   import { trace } from "@opentelemetry/api";
//   const stop = traceSync(trace.getTracer("my-app"), { channelOf: (engine) => names.get(engine) });
import { tracingChannel } from "node:diagnostics_channel";
import { SpanKind, SpanStatusCode, context as current, trace } from "@opentelemetry/api";

const PREFIX = "starkeep.sync.";

/** Attributes by their names, without those that are not known. */
const attributes = (values) =>
  Object.fromEntries(
    Object.entries(values)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [`${PREFIX}${name}`, value]),
  );

/** What a round or a reconciliation came to. */
function outcomeOf(result) {
  const { shipped, applied, rowsApplied = 0, held, inSync, conflicts, differing } = result;
  const { bytesSent, bytesReceived, objectsSent, objectsReceived } = result;
  return attributes({
    "items.sent": shipped,
    "items.received": applied + rowsApplied,
    "objects.sent": objectsSent,
    "objects.received": objectsReceived,
    "bytes.sent": bytesSent,
    "bytes.received": bytesReceived,
    // Left out where a side keeps no change log, and nothing proves it.
    in_sync: inSync,
    held: held.length,
    conflicts,
    differing,
  });
}

/** Ends a span: with an error where its context has one. */
function end(span, context) {
  if (Object.hasOwn(context, "error")) {
    const { error } = context;
    const message = String(error?.message ?? error);
    span.setAttribute("error.type", String(error?.code ?? error?.name ?? "unknown"));
    span.recordException(error instanceof Error ? error : message);
    span.setStatus({ code: SpanStatusCode.ERROR, message });
  }
  span.end();
}

/**
 * Makes spans of all engines of this process, until the function that it answers is called.
 *
 * @param {import("@opentelemetry/api").Tracer} tracer
 * @param {{ channelOf?: (engine: object) => string | undefined }} [options] what an engine is called in the app
 */
export function traceSync(tracer, { channelOf = () => undefined } = {}) {
  /** The spans that have begun, by the contexts that all events of one operation have in common. */
  const spans = new WeakMap();

  function roundHandlers(what) {
    return {
      start(context) {
        const { engine, peer } = context;
        const known = attributes({ channel: channelOf(engine), peer });
        const options = { kind: SpanKind.CLIENT, attributes: known };
        spans.set(context, tracer.startSpan(`sync ${what}`, options));
      },
      asyncEnd(context) {
        const span = spans.get(context);
        if (context.result !== undefined) span?.setAttributes(outcomeOf(context.result));
        if (span !== undefined) end(span, context);
      },
    };
  }

  const transferHandlers = {
    start(context) {
      const { key, direction, parent } = context;
      const known = attributes({ "object.key": key, "object.direction": direction });
      const round = spans.get(parent);
      const active = current.active();
      const within = round === undefined ? active : trace.setSpan(active, round);
      const options = { kind: SpanKind.CLIENT, attributes: known };
      spans.set(context, tracer.startSpan("sync transfer", options, within));
    },
    asyncEnd(context) {
      const span = spans.get(context);
      span?.setAttributes(attributes({ "object.bytes": context.bytes }));
      if (span !== undefined) end(span, context);
    },
  };

  const subscribed = [
    ["exchange", roundHandlers("exchange")],
    ["reconcile", roundHandlers("reconcile")],
    ["transfer", transferHandlers],
  ].map(([what, handlers]) => [tracingChannel(`starkeep:sync.${what}`), handlers]);
  for (const [channel, handlers] of subscribed) channel.subscribe(handlers);
  return function stop() {
    for (const [channel, handlers] of subscribed) channel.unsubscribe(handlers);
  };
}
