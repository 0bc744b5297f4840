/** The requests that are understood, by their keys. */
import type { Api } from "../api.ts";
import { apiVersions } from "./api-versions.ts";
import { fetch } from "./fetch.ts";
import { groupApis } from "./groups.ts";
import { listOffsets } from "./list-offsets.ts";
import { metadata } from "./metadata.ts";
import { produce } from "./produce.ts";

const all: readonly Api[] = [produce, fetch, listOffsets, metadata, apiVersions(() => all), ...groupApis];

export const apis: ReadonlyMap<number, Api> = new Map(all.map((api) => [api.key, api]));
export const apiVersionsKey = 18;
