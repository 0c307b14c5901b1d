/** Routes about people: tokens, sessions of the console, and who a caller is. */
import * as p from './people.ts';
import { route } from './route.ts';
import * as s from './schemas.ts';

export const PEOPLE_ROUTES = {
  makeToken: route({
    method: 'POST',
    path: '/v1/tokens',
    tag: 'people',
    summary: 'Makes a token; this answer is the only place that has its secret.',
    operation: 'token.write',
    act: 'make-token',
    body: p.TokenRequest,
    status: 201,
    response: p.TokenMade,
  }),
  listTokens: route({
    method: 'GET',
    path: '/v1/tokens',
    tag: 'people',
    summary: 'Lists tokens.',
    operation: 'token.read',
    query: s.InTenant,
    status: 200,
    response: p.TokenList,
  }),
  revokeToken: route({
    method: 'DELETE',
    path: '/v1/tokens/:token',
    tag: 'people',
    summary: 'Revokes a token, at once.',
    operation: 'token.write',
    act: 'revoke-token',
    params: p.TokenPath,
    query: s.Reasoned,
    status: 200,
    response: p.TokenView,
  }),
  whoAmI: route({
    method: 'GET',
    path: '/v1/whoami',
    tag: 'people',
    summary: 'Says who you are here.',
    operation: 'anyone',
    status: 200,
    response: p.WhoAmI,
  }),
  signIn: route({
    method: 'POST',
    path: '/v1/session',
    tag: 'people',
    summary:
      'Signs a browser in with a token: the answer sets a cookie that stands for it. It is for pages of this host alone, and ends with the token, after a while without use, or by DELETE.',
    operation: 'open',
    act: { none: 'a session has the rights of its token, and the record has each act in it' },
    body: p.SignIn,
    status: 201,
    response: p.SignedIn,
  }),
  signOut: route({
    method: 'DELETE',
    path: '/v1/session',
    tag: 'people',
    summary: 'Ends the session of the cookie that the request has, and the streams that were opened with it.',
    operation: 'anyone',
    act: { none: 'nothing but the session changes' },
    status: 200,
    response: p.SignedOut,
  }),
};
