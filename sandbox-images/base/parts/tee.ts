/**
 * The tee of a body that is cloned: the second stream has copies of the chunks (ReadableStreamTee with `cloneForBranch2`,
 * https://streams.spec.whatwg.org/#readablestream-tee), so that who reads one cannot change what the other reads. `tee()` of a stream shares
 * its chunks, as the standard has it for that.
 */
interface Controlled {
  readonly _readableStreamController: unknown;
}

export function teeCopied(stream: ReadableStream): [ReadableStream, ReadableStream] {
  const [one, two] = stream.tee();
  // The tee of a stream of bytes copies by itself.
  if ((stream as unknown as Controlled)._readableStreamController instanceof ReadableByteStreamController) return [one, two];
  const reader = two.getReader();
  const copied = new ReadableStream(
    {
      start(controller) {
        reader.closed.catch((error: unknown) => controller.error(error));
      },
      async pull(controller) {
        const { done, value } = (await reader.read()) as { readonly done: boolean; readonly value?: unknown };
        if (done) return controller.close();
        try {
          controller.enqueue(structuredClone(value));
        } catch (error) {
          // Nobody reads the rest, which would be kept for ever; the other stream goes on.
          reader.cancel(error).catch(() => undefined);
          throw error;
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
  return [one, copied];
}
