/** For a time, a property of ours in the place of an object's own or inherited one. */

/** The answer takes it away again, unless somebody has put another one in its place meanwhile. */
export function shadow<T extends object, K extends keyof T>(object: T, name: K, value: T[K]): () => void {
  const before = Object.getOwnPropertyDescriptor(object, name);
  Object.defineProperty(object, name, { value, configurable: true, writable: true, enumerable: false });
  return () => {
    if (Object.getOwnPropertyDescriptor(object, name)?.value !== value) return;
    if (before !== undefined) Object.defineProperty(object, name, before);
    else Reflect.deleteProperty(object, name);
  };
}
