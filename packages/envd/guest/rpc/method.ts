import type {
  DescMessage,
  DescMethodClientStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';

/** What a method knows of its call besides the messages. */
export interface CallContext {
  readonly headers: Headers;
  /** `Connect-Timeout-Ms`; undefined for none or 0. */
  readonly timeoutMs: number | undefined;
}

type Unary<I extends DescMessage, O extends DescMessage> = (
  request: MessageShape<I>,
  context: CallContext,
) => Promise<MessageInitShape<O>> | MessageInitShape<O>;

/**
 * A method with a stream of answers. Its iterator is asked for the next message only when the client has taken the
 * ones before, and gets `return()` as soon as the client is gone or the deadline has passed, also while a `next()` is
 * pending.
 */
type ServerStreaming<I extends DescMessage, O extends DescMessage> = (
  request: MessageShape<I>,
  context: CallContext,
) => Promise<AsyncIterator<MessageInitShape<O>>> | AsyncIterator<MessageInitShape<O>>;

type ClientStreaming<I extends DescMessage, O extends DescMessage> = (
  requests: AsyncIterable<MessageShape<I>>,
  context: CallContext,
) => Promise<MessageInitShape<O>>;

/** A method with its implementation. */
export type Method =
  | {
      readonly kind: 'unary';
      readonly input: DescMessage;
      readonly output: DescMessage;
      readonly call: Unary<DescMessage, DescMessage>;
    }
  | {
      readonly kind: 'server_streaming';
      readonly input: DescMessage;
      readonly output: DescMessage;
      readonly call: ServerStreaming<DescMessage, DescMessage>;
    }
  | {
      readonly kind: 'client_streaming';
      readonly input: DescMessage;
      readonly output: DescMessage;
      readonly call: ClientStreaming<DescMessage, DescMessage>;
    };

type Implementation<S extends DescService> = {
  [M in keyof S['method']]: S['method'][M] extends DescMethodUnary<infer I, infer O>
    ? Unary<I, O>
    : S['method'][M] extends DescMethodServerStreaming<infer I, infer O>
      ? ServerStreaming<I, O>
      : S['method'][M] extends DescMethodClientStreaming<infer I, infer O>
        ? ClientStreaming<I, O>
        : never;
};

/** The methods of a service by HTTP path. */
export function methodsOf<S extends DescService>(service: S, implementation: Implementation<S>): Map<string, Method> {
  return new Map(
    service.methods.map((method) => {
      const call: unknown = implementation[method.localName as keyof S['method']];
      // The mapped type above has tied each implementation to its own method's kind and messages.
      return [
        `/${service.typeName}/${method.name}`,
        { kind: method.methodKind, input: method.input, output: method.output, call } as Method,
      ];
    }),
  );
}
