/**
 * A private field on objects that are not ours. A WeakMap would do the same, but one with an entry for every
 * request costs the garbage collector more than the request costs us.
 */
export interface Slot<T> {
  get(object: object): T | undefined;
  set(object: object, value: T): void;
}

/** A constructor that answers with the object it is given, so that a derived class puts its fields there. */
const Given = function (object: object) {
  return object;
} as unknown as new (object: object) => object;

export function slot<T>(): Slot<T> {
  return class Holder extends Given {
    #value: T;

    constructor(object: object, value: T) {
      super(object);
      this.#value = value;
    }

    static get(object: object): T | undefined {
      return #value in object ? (object as Holder).#value : undefined;
    }

    static set(object: object, value: T): void {
      if (#value in object) (object as Holder).#value = value;
      else Reflect.construct(Holder, [object, value]);
    }
  };
}
