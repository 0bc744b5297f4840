/** The requests that are understood, by their keys, and ApiVersions, the first of every client, which lists them. */
import type { Api } from "../api.ts";
import { errorCodes } from "../errors.ts";
import { Writer } from "../wire.ts";
import { fetch } from "./fetch.ts";
import { groupApis } from "./groups.ts";
import { listOffsets } from "./list-offsets.ts";
import { metadata } from "./metadata.ts";
import { produce } from "./produce.ts";

/** The newest version has compact arrays, whose length is one more as a varint, and tags, of which there are none. */
const flexible = 3;

export const apiVersions: Api = {
  key: 18,
  min: 0,
  max: flexible,
  begin(_request, { version }) {
    return async () => {
      const writer = new Writer();
      // A client that is too new is told so in a form that every client knows.
      const known = version <= flexible;
      writer.int16(known ? errorCodes.none : errorCodes.unsupportedVersion);
      const write = ({ key, min, max }: Api) => writer.int16(key).int16(min).int16(max);
      if (version === flexible) {
        writer.int8(all.length + 1);
        for (const api of all) write(api).int8(0);
        return [writer.int32(0).int8(0).take()];
      }
      writer.array(all, write);
      if (known && version > 0) writer.int32(0);
      return [writer.take()];
    };
  },
};

const all: readonly Api[] = [produce, fetch, listOffsets, metadata, apiVersions, ...groupApis];

export const apis: ReadonlyMap<number, Api> = new Map(all.map((api) => [api.key, api]));
