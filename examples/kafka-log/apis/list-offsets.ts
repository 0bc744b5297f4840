/** ListOffsets: the first offset, the next one, or where the batch begins that has the first record of a time. */
import type { Api, Context } from "../api.ts";
import { codeOf, errorCodes } from "../errors.ts";
import { Writer } from "../wire.ts";

const latest = -1;
const earliest = -2;

interface Found {
  readonly error: number;
  readonly timestamp: number;
  readonly offset: number;
}

async function find({ topics }: Context, topic: string, index: number, timestamp: number): Promise<Found> {
  const found = { error: errorCodes.none, timestamp: -1 };
  try {
    const partition = topics.partition(topic, index);
    if (timestamp === latest) return { ...found, offset: partition.nextOffset };
    if (timestamp === earliest) return { ...found, offset: partition.firstOffset };
    return { ...found, ...((await partition.firstSince(timestamp)) ?? { offset: -1 }) };
  } catch (error) {
    return { error: codeOf(error), timestamp: -1, offset: -1 };
  }
}

export const listOffsets: Api = {
  key: 2,
  min: 1,
  max: 2,
  begin(request, context) {
    const { version } = context;
    request.int32(); // The replica: a consumer.
    if (version >= 2) request.int8(); // The isolation: there are no transactions.
    const asked = request.array(() => ({
      topic: request.string(),
      partitions: request.array(() => ({ index: request.int32(), timestamp: request.int64() })),
    }));
    return async () => {
      const answers: { topic: string; partitions: (Found & { index: number })[] }[] = [];
      for (const { topic, partitions } of asked) {
        const found: (Found & { index: number })[] = [];
        for (const { index, timestamp } of partitions)
          found.push({ index, ...(await find(context, topic, index, timestamp)) });
        answers.push({ topic, partitions: found });
      }
      const writer = new Writer();
      if (version >= 2) writer.int32(0);
      writer.array(answers, ({ topic, partitions }) => {
        writer.string(topic);
        writer.array(partitions, ({ index, error, timestamp, offset }) =>
          writer.int32(index).int16(error).int64(timestamp).int64(offset),
        );
      });
      return [writer.take()];
    };
  },
};
