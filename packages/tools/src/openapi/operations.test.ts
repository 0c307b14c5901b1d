import { expect, describe, test } from 'vitest';
import type { Json } from '@corral/protocol/json';
import { contractBy } from '../host/contracts.ts';
import { readDocument, type Members } from './document.ts';
import { declarationsOf, type Operation } from './operations.ts';
import { requestOf } from './request.ts';

const PETS = {
  openapi: '3.0.3',
  info: { title: 'Pets', version: '1' },
  servers: [{ url: 'https://elsewhere.example/v2' }],
  paths: {
    '/pets': {
      parameters: [{ name: 'trace', in: 'header', schema: { type: 'string' } }],
      get: {
        operationId: 'listPets',
        summary: 'Lists pets.',
        parameters: [
          { $ref: '#/components/parameters/Limit' },
          { name: 'tag', in: 'query', schema: { type: 'array', items: { type: 'string' } } },
          { name: 'ids', in: 'query', style: 'pipeDelimited', explode: false, schema: { type: 'array', items: { type: 'integer' } } },
          { name: 'filter', in: 'query', style: 'deepObject', schema: { type: 'object', additionalProperties: { type: 'string' } } },
        ],
        responses: {
          200: {
            description: 'ok',
            content: { 'application/json': { schema: { type: 'array', items: { $ref: '#/components/schemas/Pet' } } } },
          },
        },
      },
      post: {
        operationId: 'addPet',
        requestBody: { required: true, content: { 'application/json': { schema: { $ref: '#/components/schemas/Pet' } } } },
        responses: { 201: { description: 'ok' } },
      },
    },
    '/pets/{id}': {
      get: {
        parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'string' } }],
        responses: { 200: { description: 'ok' } },
      },
    },
  },
  components: {
    parameters: {
      Limit: { name: 'limit', in: 'query', description: 'How many.', schema: { type: 'integer', minimum: 0, exclusiveMinimum: true } },
    },
    schemas: {
      Pet: {
        type: 'object',
        required: ['name'],
        properties: {
          name: { type: 'string', example: 'Rex' },
          owner: { type: 'string', nullable: true },
          parent: { $ref: '#/components/schemas/Pet' },
        },
      },
    },
  },
};

const read = (document: object, only?: readonly string[]) => declarationsOf('pets', readDocument(JSON.stringify(document)), only);
const operation = (document: object, name: string): Operation =>
  read(document).declarations.find((one) => one.name === name)?.says as unknown as Operation;
const asked = (name: string, args: Members, document: object = PETS) => {
  const { method, path, query, body, headers } = requestOf(operation(document, name), args, 'https://api.example.com', '/v2');
  return { method, at: query === undefined ? path : `${path}?${query}`, body, headers };
};

describe('the operations of a document', () => {
  test('are tools with names that are legal and unique, also where they have none or share one', () => {
    expect(read(PETS).declarations.map(({ name }) => name)).toEqual(['pets.list_pets', 'pets.add_pet', 'pets.get_pets_id']);
    const same = {
      ...PETS,
      paths: { '/a': { get: { operationId: 'Get It!' } }, '/b': { get: { operationId: 'get_it' } }, '/c': { get: { operationId: 'öäü' } } },
    };
    const { declarations, notes } = read(same);
    expect(declarations.map(({ name }) => name)).toEqual([
      expect.stringMatching(/^pets\.get_it-[0-9a-f]{8}$/),
      expect.stringMatching(/^pets\.get_it-[0-9a-f]{8}$/),
    ]);
    expect(new Set(declarations.map(({ name }) => name)).size).toBe(2);
    expect(notes).toEqual([expect.stringContaining('GET /c is not offered')]);
    // One more of that name changes no other name.
    const [a] = declarations;
    expect(read({ ...same, paths: { ...same.paths, '/d': { get: { operationId: 'get-it' } } } }).declarations[0]?.name).toBe(a?.name);
    expect(read(PETS, ['listPets', 'GET /pets/{id}', 'gone'])).toMatchObject({
      declarations: [{ name: 'pets.list_pets' }, { name: 'pets.get_pets_id' }],
      missing: ['gone'],
    });
  });

  test('have the schemas of the document, in the words of JSON Schema, also where one refers to itself', () => {
    const { input } = operation(PETS, 'pets.add_pet');
    expect(input).toEqual({
      type: 'object',
      properties: { trace: { type: 'string' }, body: { $ref: '#/$defs/Pet' } },
      required: ['body'],
      additionalProperties: false,
      $defs: {
        Pet: {
          type: 'object',
          required: ['name'],
          properties: { name: { type: 'string' }, owner: { type: ['string', 'null'] }, parent: { $ref: '#/$defs/Pet' } },
        },
      },
    });
    const contract = contractBy(input);
    expect(contract.check({ body: { name: 'a', owner: null, parent: { name: 'b' } } }).ok).toBe(true);
    expect(contract.check({ body: { name: 'a', parent: {} } }).ok).toBe(false);
    expect(contract.check({ body: { name: 'a' }, other: 1 }).ok).toBe(false);
    const list = operation(PETS, 'pets.list_pets');
    expect((list.input['properties'] as Members)['limit']).toEqual({ description: 'How many.', type: 'integer', exclusiveMinimum: 0 });
    expect(list.output).toMatchObject({ properties: { body: { type: 'array', items: { $ref: '#/$defs/Pet' } } } });
  });

  test('become requests: arguments go into path, query, headers and body as the document says', () => {
    expect(asked('pets.list_pets', { limit: 5, tag: ['a b', 'c&d'], ids: [1, 2], filter: { a: 'x=y' }, trace: 't' })).toMatchObject({
      method: 'GET',
      at: '/v2/pets?limit=5&tag=a%20b&tag=c%26d&ids=1%7C2&filter%5Ba%5D=x%3Dy',
      headers: { trace: 't' },
    });
    expect(asked('pets.add_pet', { body: { name: 'ü' } })).toMatchObject({
      method: 'POST',
      at: '/v2/pets',
      body: '{"name":"ü"}',
      headers: { 'content-type': 'application/json' },
    });
    expect(asked('pets.get_pets_id', { id: '../../admin?x#y' }).at).toBe('/v2/pets/..%2F..%2Fadmin%3Fx%23y');
    expect(() => asked('pets.get_pets_id', { id: '' })).toThrow('is empty');
    for (const id of ['.', '..']) expect(() => asked('pets.get_pets_id', { id })).toThrow('another path');
    const form = {
      ...PETS,
      paths: {
        '/f': {
          post: { operationId: 'f', requestBody: { content: { 'application/x-www-form-urlencoded': { schema: { type: 'object' } } } } },
        },
      },
    };
    expect(asked('pets.f', { body: { a: '1 2', b: ['x', 'y'] } }, form).body).toBe('a=1+2&b=x&b=y');
  });

  test('that no tool can make are left out with a reason, and the others stay', () => {
    const paths: Record<string, Json> = {
      '/elsewhere': {
        get: { operationId: 'elsewhere', parameters: [{ name: 'a', in: 'query', schema: { $ref: 'https://example.com/s.json' } }] },
      },
      '/nowhere': {
        get: { operationId: 'nowhere', parameters: [{ name: 'a', in: 'query', schema: { $ref: '#/components/schemas/None' } }] },
      },
      '/cookie': { get: { operationId: 'cookie', parameters: [{ name: 'a', in: 'cookie', required: true }] } },
      '/xml': { post: { operationId: 'xml', requestBody: { required: true, content: { 'application/xml': {} } } } },
      '/open/{id}': { get: { operationId: 'open' } },
      '/good': { get: { operationId: 'good' } },
    };
    const { declarations, notes } = read({ ...PETS, paths });
    expect(declarations.map(({ name }) => name)).toEqual(['pets.good']);
    expect(notes.map((note) => note.split(' is not offered: ')[1])).toEqual([
      expect.stringContaining('not in the document'),
      expect.stringContaining('not there'),
      expect.stringContaining('cookie parameter a'),
      expect.stringContaining('application/xml'),
      expect.stringContaining('what id in its path is'),
    ]);
  });
});

describe('a document', () => {
  test.each([
    ['[]', 'neither JSON nor YAML|not an object'],
    ['{', 'neither JSON nor YAML'],
    ['swagger: "2.0"', 'not a document of OpenAPI 3.0 or 3.1'],
    ['openapi: 4.0.0', 'not a document of OpenAPI 3.0 or 3.1'],
    [
      `openapi: 3.1.0\na: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c]`,
      'neither JSON nor YAML',
    ],
    [`{"openapi":"3.1.0","a":${'['.repeat(200)}${']'.repeat(200)}}`, 'nests deeper|neither JSON'],
    [`{"openapi":"3.1.0","a":"${'a'.repeat(9 * 1024 * 1024)}"}`, 'larger than'],
  ])('%.30j is refused with a reason', (text, why) => {
    expect(() => readDocument(text)).toThrow(new RegExp(why));
  });

  test('may be YAML, and of 3.1', () => {
    const text =
      'openapi: 3.1.0\npaths:\n  /a:\n    get:\n      operationId: a\n      parameters:\n        - { name: q, in: query, schema: { type: [string, "null"] } }\n';
    const { declarations } = declarationsOf('x', readDocument(text), undefined);
    expect(declarations).toMatchObject([{ name: 'x.a', says: { input: { properties: { q: { type: ['string', 'null'] } } } } }]);
  });

  test('whose schemas refer to each other without end is read in bounded time', () => {
    const schemas = Object.fromEntries(
      Array.from({ length: 200 }, (_, i) => [
        `S${i}`,
        {
          type: 'object',
          properties: { a: { $ref: `#/components/schemas/S${(i + 1) % 200}` }, b: { $ref: `#/components/schemas/S${(i + 7) % 200}` } },
        },
      ]),
    );
    const paths = {
      '/a': {
        post: { operationId: 'a', requestBody: { content: { 'application/json': { schema: { $ref: '#/components/schemas/S0' } } } } },
      },
    };
    const { declarations, notes } = read({
      ...PETS,
      paths,
      components: { schemas: { ...schemas, Loop: { $ref: '#/components/schemas/Loop' } } },
    });
    expect([declarations.length, notes]).toEqual([1, []]);
    const loop = {
      '/a': { get: { operationId: 'a', parameters: [{ name: 'q', in: 'query', schema: { $ref: '#/components/schemas/Loop' } }] } },
    };
    expect(read({ ...PETS, paths: loop, components: { schemas: { Loop: { $ref: '#/components/schemas/Loop' } } } }).notes).toEqual([
      expect.stringContaining('refers to itself'),
    ]);
  });
});
