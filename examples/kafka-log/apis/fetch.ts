/** Fetch: batches from the log, of which nothing passes through here but where they lie. */
import { type Api, type Context, limits, type Part } from "../api.ts";
import { codeOf, errorCodes } from "../errors.ts";
import type { Range } from "../segment.ts";
import { type Reader, Writer } from "../wire.ts";

interface Asked {
  readonly topic: string;
  readonly partitions: readonly { readonly index: number; readonly offset: number; readonly maxBytes: number }[];
}

interface FetchRequest {
  readonly maxWaitMs: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly topics: readonly Asked[];
}

interface Found {
  readonly topic: string;
  readonly partitions: { index: number; error: number; nextOffset: number; range: Range | undefined }[];
}

interface Gathered {
  readonly found: readonly Found[];
  readonly bytes: number;
  /** Whether waiting would change nothing: there is an error to tell, or more to read than was asked for. */
  readonly isFinal: boolean;
}

function read(request: Reader, version: number): FetchRequest {
  request.int32(); // The replica: a consumer.
  const maxWaitMs = Math.min(request.int32(), limits.fetchWaitMs);
  const minBytes = request.int32();
  const maxBytes = Math.min(request.int32(), limits.fetchBytes);
  request.int8(); // The isolation: there are no transactions.
  if (version >= 7) {
    request.int32(); // The session, of which we make none: every request names all that it wants.
    request.int32();
  }
  const topics = request.array(() => ({
    topic: request.string(),
    partitions: request.array(() => {
      const index = request.int32();
      if (version >= 9) request.int32(); // The epoch of the leader.
      const offset = request.int64();
      if (version >= 5) request.int64(); // The first offset of a replica.
      return { index, offset, maxBytes: request.int32() };
    }),
  }));
  return { maxWaitMs, minBytes, maxBytes, topics };
}

/** What there is to send now. Only the first batch of all may be larger than was asked for, lest its reader be stuck. */
async function gather({ topics }: Context, request: FetchRequest): Promise<Gathered> {
  let bytes = 0;
  let isFinal = false;
  const found: Found[] = [];
  for (const { topic, partitions } of request.topics) {
    const answers: Found["partitions"] = [];
    for (const { index, offset, maxBytes } of partitions) {
      try {
        const partition = topics.partition(topic, index);
        const most = Math.max(0, Math.min(maxBytes, request.maxBytes - bytes));
        const range = await partition.range(offset, most, bytes === 0);
        bytes += range?.length ?? 0;
        isFinal ||= offset < partition.nextOffset && !range?.toEnd;
        answers.push({ index, error: errorCodes.none, nextOffset: partition.nextOffset, range });
      } catch (error) {
        isFinal = true;
        answers.push({ index, error: codeOf(error), nextOffset: -1, range: undefined });
      }
    }
    found.push({ topic, partitions: answers });
  }
  return { found, bytes, isFinal };
}

/** Gathers until there is enough, or an error to tell, or the time is up. Between two looks an append is waited for. */
async function gatherEnough(context: Context, request: FetchRequest): Promise<Gathered> {
  let wake = () => {};
  let isOver = context.closed.aborted;
  const over = () => {
    isOver = true;
    wake();
  };
  const timer = setTimeout(over, request.maxWaitMs);
  context.closed.addEventListener("abort", over);
  const partitions = request.topics.flatMap((asked) =>
    asked.partitions.flatMap(({ index }) => context.topics.find(asked.topic, index) ?? []),
  );
  const stops = [...new Set(partitions)].map((partition) => partition.onMore(() => wake()));
  try {
    for (;;) {
      const more = new Promise<void>((resolve) => (wake = resolve));
      const gathered = await gather(context, request);
      if (gathered.isFinal || gathered.bytes >= request.minBytes || isOver) return gathered;
      await more;
    }
  } finally {
    clearTimeout(timer);
    context.closed.removeEventListener("abort", over);
    for (const stop of stops) stop();
  }
}

/** The protocol around the ranges, and the ranges. */
function answer(version: number, found: readonly Found[]): Part[] {
  const parts: Part[] = [];
  const writer = new Writer();
  writer.int32(0);
  if (version >= 7) writer.int16(errorCodes.none).int32(0);
  writer.array(found, ({ topic, partitions }) => {
    writer.string(topic);
    writer.array(partitions, ({ index, error, nextOffset, range }) => {
      writer.int32(index).int16(error);
      writer.int64(nextOffset).int64(nextOffset); // Without transactions all that is there is stable.
      if (version >= 5) writer.int64(0); // The first offset of the log.
      writer.int32(-1); // Transactions that were aborted.
      if (version >= 11) writer.int32(-1); // A replica to prefer.
      writer.int32(range?.length ?? 0);
      if (range !== undefined) parts.push(writer.take(), range);
    });
  });
  parts.push(writer.take());
  return parts;
}

export const fetch: Api = {
  key: 1,
  min: 4,
  max: 11,
  begin(request, context) {
    const asked = read(request, context.version);
    return async () => answer(context.version, (await gatherEnough(context, asked)).found);
  },
};
