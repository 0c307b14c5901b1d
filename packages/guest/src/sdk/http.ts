/** The requests and answers of a capability `http:NAME`. `fetch` makes such calls of its requests. */

export interface HttpRequest {
  /** Default: GET. */
  readonly method?: string;
  /** `https://api.example.com`. May be left out where the capability has one origin. */
  readonly origin?: string;
  /** Begins with `/`; without a query. */
  readonly path: string;
  /** Without the question mark: `page=2&size=50`. */
  readonly query?: string;
  /** By their names in lower case. Those that the host sets may not be among them. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** A body that is not text, as base64. */
  readonly body_base64?: string;
}

export interface HttpHead {
  readonly status: number;
  /** By their names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

/** An answer with any status is an answer, and so is a redirect, which is not followed: that is another call. */
export interface HttpAnswer extends HttpHead {
  /** Text in UTF-8. */
  readonly body?: string;
  /** A body that is not text, as base64. */
  readonly body_base64?: string;
}

/** A stream has first its status and headers, then its text. */
export type HttpPart = HttpHead | string;

export { covers, isExact } from '@corral/protocol/model/origin';
