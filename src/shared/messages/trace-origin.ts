/** What a trace should tell of a command that was not called but consumed. */
export interface TraceOrigin {
  /** Of the span, after OpenTelemetry's conventions for messaging. */
  readonly name: string;
  readonly attributes: Readonly<Record<string, string | number>>;
  /** `traceparent` of those who published what is consumed. */
  readonly publishers: readonly string[];
}

/** A command that knows where it comes from. */
export interface ConsumedMessage {
  readonly traceOrigin?: TraceOrigin | undefined;
}
