/** ApiVersions: the first request of every client. */
import type { Api } from "../api.ts";
import { errorCodes } from "../errors.ts";
import { Writer } from "../wire.ts";

/** The newest version has compact arrays, whose length is one more as a varint, and tags, of which there are none. */
const flexible = 3;

export function apiVersions(all: () => readonly Api[]): Api {
  return {
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
          writer.int8(all().length + 1);
          for (const api of all()) write(api).int8(0);
          return [writer.int32(0).int8(0).take()];
        }
        writer.array(all(), write);
        if (known && version > 0) writer.int32(0);
        return [writer.take()];
      };
    },
  };
}
