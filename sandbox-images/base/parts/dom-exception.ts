/** DOMException as the Web IDL standard has it, with the legacy codes that libraries still compare. */
const CODES: Readonly<Record<string, number>> = {
  IndexSizeError: 1,
  HierarchyRequestError: 3,
  WrongDocumentError: 4,
  InvalidCharacterError: 5,
  NoModificationAllowedError: 7,
  NotFoundError: 8,
  NotSupportedError: 9,
  InUseAttributeError: 10,
  InvalidStateError: 11,
  SyntaxError: 12,
  InvalidModificationError: 13,
  NamespaceError: 14,
  InvalidAccessError: 15,
  TypeMismatchError: 17,
  SecurityError: 18,
  NetworkError: 19,
  AbortError: 20,
  URLMismatchError: 21,
  QuotaExceededError: 22,
  TimeoutError: 23,
  InvalidNodeTypeError: 24,
  DataCloneError: 25,
};

/** Constants whose errors have no name any more. */
const FORMER: Readonly<Record<string, number>> = { DOMSTRING_SIZE_ERR: 2, NO_DATA_ALLOWED_ERR: 6, VALIDATION_ERR: 16 };

/** The clone of a DOMException, without its stack. Returns undefined for any other object. */
export let exceptionCopy: (value: object) => DOMException | undefined;

export class DOMException extends Error {
  readonly #message: string;
  readonly #name: string;

  constructor(message: unknown = '', options: unknown = 'Error') {
    const text = String(message);
    super(text);
    const { name = 'Error' }: { name?: unknown } = typeof options === 'object' && options !== null ? options : { name: options };
    this.#message = text;
    this.#name = String(name);
    Object.defineProperty(this, 'name', { value: this.#name, configurable: true });
    if (typeof options === 'object' && options !== null && 'cause' in options)
      Object.defineProperty(this, 'cause', { value: options.cause, configurable: true, writable: true });
  }
  get code(): number {
    return CODES[this.name] ?? 0;
  }
  static {
    exceptionCopy = (value) => (#name in value ? new DOMException(value.#message, value.#name) : undefined);
  }
}

// `NotFoundError` is NOT_FOUND_ERR.
const constants = Object.entries(CODES).map(([name, code]): [string, number] => {
  const words = name.replace(/Error$/, '').replace(/(?<=[a-z])(?=[A-Z])|(?<=URL)(?=[A-Z])/g, '_');
  return [`${words.toUpperCase()}_ERR`.replace('IN_USE', 'INUSE'), code];
});
for (const [name, value] of [...constants, ...Object.entries(FORMER)])
  for (const place of [DOMException, DOMException.prototype]) Object.defineProperty(place, name, { value, enumerable: true });
Object.defineProperty(DOMException.prototype, Symbol.toStringTag, { value: 'DOMException', configurable: true });
