/** An iterator that ends with `break`, with its signal, or with what it iterates over. */
export interface Watch<T> extends AsyncIterableIterator<T> {
  next(): Promise<IteratorResult<T, undefined>>;
  return(): Promise<IteratorResult<T, undefined>>;
  [Symbol.asyncIterator](): Watch<T>;
  [Symbol.asyncDispose](): Promise<void>;
}
