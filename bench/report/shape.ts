/**
 * Shapes of data that comes from outside, written once: each checks a value, gives it its type, and tells its JSON
 * Schema. Fields that a shape doesn't name are left alone, so that a later minor version may add some.
 */

export type JsonSchema = Readonly<Record<string, unknown>>;

export interface Shape<T> {
  readonly schema: JsonSchema;
  /** @throws Error that says where, what was expected and what is there */
  readonly read: (value: unknown, path: string) => T;
}

export type Of<S> = S extends Shape<infer T> ? T : never;

type Fields = Readonly<Record<string, Shape<unknown>>>;
type Needed<F extends Fields> = { readonly [K in keyof F]: Of<F[K]> };
type Possible<F extends Fields> = { readonly [K in keyof F]?: Of<F[K]> };

function wrong(path: string, expected: string, value: unknown): never {
  throw new Error(`${path} should be ${expected}, but is ${JSON.stringify(value)?.slice(0, 80) ?? "missing"}`);
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export const string: Shape<string> = {
  schema: { type: "string" },
  read: (value, path) => (typeof value === "string" ? value : wrong(path, "a string", value)),
};

/** JSON has no NaN: a figure of no samples is null there. */
export const number: Shape<number> = {
  schema: { type: ["number", "null"] },
  read: (value, path) =>
    value === null ? Number.NaN : typeof value === "number" ? value : wrong(path, "a number", value),
};

export const boolean: Shape<boolean> = {
  schema: { type: "boolean" },
  read: (value, path) => (typeof value === "boolean" ? value : wrong(path, "true or false", value)),
};

export const anything: Shape<unknown> = { schema: {}, read: (value) => value };

export function oneOf<const T extends string>(...words: readonly T[]): Shape<T> {
  return {
    schema: { enum: words },
    read: (value, path) => words.find((word) => word === value) ?? wrong(path, `one of ${words.join(", ")}`, value),
  };
}

export function list<T>(item: Shape<T>): Shape<readonly T[]> {
  return {
    schema: { type: "array", items: item.schema },
    read: (value, path) =>
      Array.isArray(value) ? value.map((one, i) => item.read(one, `${path}[${i}]`)) : wrong(path, "a list", value),
  };
}

export function pair<A, B>(first: Shape<A>, second: Shape<B>): Shape<readonly [A, B]> {
  return {
    schema: { type: "array", prefixItems: [first.schema, second.schema], minItems: 2, maxItems: 2 },
    read: (value, path) =>
      Array.isArray(value) && value.length === 2
        ? [first.read(value[0], `${path}[0]`), second.read(value[1], `${path}[1]`)]
        : wrong(path, "a pair", value),
  };
}

export function record<T>(item: Shape<T>): Shape<Readonly<Record<string, T>>> {
  return {
    schema: { type: "object", additionalProperties: item.schema },
    read: (value, path) =>
      isObject(value)
        ? Object.fromEntries(Object.entries(value).map(([name, one]) => [name, item.read(one, `${path}.${name}`)]))
        : wrong(path, "an object", value),
  };
}

export function object<R extends Fields, O extends Fields = Record<never, never>>(
  required: R,
  optional?: O,
): Shape<Needed<R> & Possible<O>> {
  const fields: Fields = { ...required, ...optional };
  return {
    schema: {
      type: "object",
      properties: Object.fromEntries(Object.entries(fields).map(([name, { schema }]) => [name, schema])),
      required: Object.keys(required),
    },
    read(value, path) {
      if (!isObject(value)) return wrong(path, "an object", value);
      const known = Object.entries(fields)
        .filter(([name]) => value[name] !== undefined || Object.hasOwn(required, name))
        .map(([name, shape]) => [name, shape.read(value[name], `${path}.${name}`)]);
      return Object.fromEntries(known) as Needed<R> & Possible<O>;
    },
  };
}
