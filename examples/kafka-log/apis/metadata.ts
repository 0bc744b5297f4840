/** Metadata: which topics there are and who has them: always we. Names a client may create are created here. */
import { type Api, nodeId } from "../api.ts";
import { codeOf, errorCodes } from "../errors.ts";
import { Writer } from "../wire.ts";

export const metadata: Api = {
  key: 3,
  min: 4,
  max: 5,
  begin(request, { version, topics, host, port }) {
    const asked = request.nullableArray(() => request.string());
    const mayCreate = request.int8() !== 0;
    return async () => {
      const found: { name: string; error: number; partitions: number }[] = [];
      for (const name of new Set(asked ?? topics.names)) {
        try {
          const { length } = mayCreate ? await topics.partitionsOrNew(name) : topics.partitions(name);
          found.push({ name, error: errorCodes.none, partitions: length });
        } catch (error) {
          found.push({ name, error: codeOf(error), partitions: 0 });
        }
      }
      const writer = new Writer();
      const writeNode = (node: number) => writer.int32(node);
      const writePartition = (index: number) => {
        writer.int16(errorCodes.none).int32(index).int32(nodeId);
        writer.array([nodeId], writeNode).array([nodeId], writeNode);
        if (version >= 5) writer.array([], writeNode);
      };
      writer.int32(0);
      writer.array([nodeId], (node) => writer.int32(node).string(host).int32(port).string(undefined));
      writer.string("kafka-log").int32(nodeId);
      writer.array(found, ({ name, error, partitions }) => {
        writer.int16(error).string(name).int8(0);
        writer.array([...Array(partitions).keys()], writePartition);
      });
      return [writer.take()];
    };
  },
};
