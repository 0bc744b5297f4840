/** The requests of consumer groups, each in the one version that kafkajs and librdkafka both know. */
import { Buffer } from "node:buffer";
import { type Api, nodeId } from "../api.ts";
import { codeOf, errorCodes } from "../errors.ts";
import { Writer } from "../wire.ts";

/** What some work answers, or the error code and what is to be written then. */
async function attempt<T>(work: () => T | Promise<T>, otherwise: T): Promise<{ value: T; error: number }> {
  try {
    return { value: await work(), error: errorCodes.none };
  } catch (error) {
    return { value: otherwise, error: codeOf(error) };
  }
}

const findCoordinator: Api = {
  key: 10,
  min: 0,
  max: 0,
  begin(request, { host, port }) {
    request.string();
    return async () => [new Writer().int16(errorCodes.none).int32(nodeId).string(host).int32(port).take()];
  },
};

const joinGroup: Api = {
  key: 11,
  min: 0,
  max: 0,
  begin(request, { groups }) {
    const name = request.string();
    const sessionMs = request.int32();
    const member = request.string();
    request.string(); // The type of the protocols: consumer.
    const [protocol] = request.array(() => ({ name: request.string(), metadata: request.bytes() }));
    return async () => {
      const refused = { generation: -1, member };
      const { value, error } = await attempt(
        () => groups.join(name, member, sessionMs, protocol !== undefined),
        refused,
      );
      const writer = new Writer().int16(error).int32(value.generation);
      // The only member leads, and has what it likes best.
      writer
        .string(protocol?.name ?? "")
        .string(value.member)
        .string(value.member);
      writer.array(error === errorCodes.none && protocol !== undefined ? [protocol] : [], ({ metadata }) =>
        writer.string(value.member).bytes(metadata),
      );
      return [writer.take()];
    };
  },
};

const syncGroup: Api = {
  key: 14,
  min: 0,
  max: 0,
  begin(request, { groups }) {
    const [name, generation, member] = [request.string(), request.int32(), request.string()];
    const assignments = request.array(() => ({ member: request.string(), assignment: request.bytes() }));
    return async () => {
      const own = assignments.find((each) => each.member === member)?.assignment;
      const { value, error } = await attempt(() => groups.sync(name, generation, member, own), undefined);
      return [
        new Writer()
          .int16(error)
          .bytes(value ?? Buffer.alloc(0))
          .take(),
      ];
    };
  },
};

const heartbeat: Api = {
  key: 12,
  min: 0,
  max: 0,
  begin(request, { groups }) {
    const [name, generation, member] = [request.string(), request.int32(), request.string()];
    return async () => {
      const { error } = await attempt(() => groups.heartbeat(name, generation, member), undefined);
      return [new Writer().int16(error).take()];
    };
  },
};

const leaveGroup: Api = {
  key: 13,
  min: 0,
  max: 0,
  begin(request, { groups }) {
    const [name, member] = [request.string(), request.string()];
    return async () => {
      const { error } = await attempt(() => groups.leave(name, member), undefined);
      return [new Writer().int16(error).take()];
    };
  },
};

const offsetCommit: Api = {
  key: 8,
  min: 2,
  max: 2,
  begin(request, { groups, committed }) {
    const [name, generation, member] = [request.string(), request.int32(), request.string()];
    request.int64(); // How long to keep them: for ever.
    const asked = request.array(() => ({
      topic: request.string(),
      partitions: request.array(() => ({
        index: request.int32(),
        offset: request.int64(),
        metadata: request.nullableString() ?? "",
      })),
    }));
    return async () => {
      const { error } = await attempt(async () => {
        groups.checkCommit(name, generation, member);
        for (const { topic, partitions } of asked)
          for (const { index, offset, metadata } of partitions) committed.set(name, topic, index, { offset, metadata });
        await committed.save();
      }, undefined);
      const writer = new Writer();
      writer.array(asked, ({ topic, partitions }) => {
        writer.string(topic);
        writer.array(partitions, ({ index }) => writer.int32(index).int16(error));
      });
      return [writer.take()];
    };
  },
};

const offsetFetch: Api = {
  key: 9,
  min: 1,
  max: 1,
  begin(request, { committed }) {
    const name = request.string();
    const asked = request.array(() => ({ topic: request.string(), partitions: request.array(() => request.int32()) }));
    return async () => {
      const writer = new Writer();
      writer.array(asked, ({ topic, partitions }) => {
        writer.string(topic);
        writer.array(partitions, (index) => {
          const { offset, metadata } = committed.get(name, topic, index) ?? { offset: -1, metadata: "" };
          writer.int32(index).int64(offset).string(metadata).int16(errorCodes.none);
        });
      });
      return [writer.take()];
    };
  },
};

export const groupApis: readonly Api[] = [
  findCoordinator,
  joinGroup,
  syncGroup,
  heartbeat,
  leaveGroup,
  offsetCommit,
  offsetFetch,
];
