/** Stands in where a library asks whether something is a SharedArrayBuffer: nothing is, in an isolate. */
export class SharedArrayBuffer {
  get byteLength(): number {
    throw new TypeError('not a SharedArrayBuffer');
  }
  get growable(): boolean {
    throw new TypeError('not a SharedArrayBuffer');
  }
}
