/**
 * Produce: batches for the log. The answer says what `acks` asked for: 0: there is none; 1: the kernel has the batch, which
 * outlives the broker; -1 ("all"): the disk has it, which outlives the machine.
 */
import type { Buffer } from "node:buffer";
import { type Api, limits } from "../api.ts";
import { codeOf, errorCodes, KafkaError } from "../errors.ts";
import type { Topics } from "../topics.ts";
import { ProtocolError, Writer } from "../wire.ts";

interface Appended {
  readonly error: number;
  readonly baseOffset: number;
}

async function append(
  topics: Topics,
  topic: string,
  index: number,
  batch: Buffer | undefined,
  acks: number,
): Promise<Appended> {
  try {
    if (acks < -1 || acks > 1) throw new KafkaError("invalidRequiredAcks");
    if (batch === undefined) throw new KafkaError("invalidRecord");
    if (batch.length > limits.batchBytes) throw new KafkaError("messageTooLarge");
    const baseOffset = await topics.partition(topic, index).append(batch, acks === -1);
    return { error: errorCodes.none, baseOffset };
  } catch (error) {
    return { error: codeOf(error), baseOffset: -1 };
  }
}

/** The first version of requests for batches of version 2. */
const understoodFrom = 3;

export const produce: Api = {
  key: 0,
  // librdkafka compresses for brokers alone that know the oldest version, which it doesn't use; Kafka 4 pretends to, too.
  min: 0,
  max: 7,
  begin(request, { version, topics }) {
    if (version < understoodFrom) throw new ProtocolError(`a request to produce of version ${version}`);
    request.nullableString(); // The transaction.
    const acks = request.int16();
    request.int32(); // How long to wait for other brokers: there are none.
    const asked = request.array(() => ({
      topic: request.string(),
      partitions: request.array(() => ({ index: request.int32(), batch: request.nullableBytes() })),
    }));
    // Begun in the order of the requests, so that those that wait on one connection share a flush, too.
    const appending = Promise.all(
      asked.map(async ({ topic, partitions }) => ({
        topic,
        partitions: await Promise.all(
          partitions.map(async ({ index, batch }) => ({ index, ...(await append(topics, topic, index, batch, acks)) })),
        ),
      })),
    );
    // Whoever continues will see how it ended; until then that is nobody's unhandled rejection.
    appending.catch(() => {});
    return async () => {
      const appended = await appending;
      if (acks === 0) {
        // As in Kafka: a client that wants no answers hears of a failure by the end of its connection.
        const failed = appended.some(({ partitions }) => partitions.some(({ error }) => error !== errorCodes.none));
        if (failed) throw new ProtocolError("a batch without acknowledgement could not be appended");
        return undefined;
      }
      const writer = new Writer();
      writer.array(appended, ({ topic, partitions }) => {
        writer.string(topic);
        writer.array(partitions, ({ index, error, baseOffset }) => {
          writer.int32(index).int16(error).int64(baseOffset);
          writer.int64(-1); // The time of appending: batches keep their producer's.
          if (version >= 5) writer.int64(0); // The first offset of the log.
        });
      });
      return [writer.int32(0).take()];
    };
  },
};
