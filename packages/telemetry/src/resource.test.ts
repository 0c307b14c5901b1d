import { describe, expect, it } from 'vitest';
import { resourceOf } from './resource.ts';

const HOST = { version: '1.2.3', instance: 'a1' };
const of = (env: Record<string, string>) => Object.fromEntries(resourceOf(env, HOST).attributes);

describe('the resource of a host', () => {
  it('tells its process from others of the same service', () => {
    expect(of({})).toEqual({ 'service.name': 'corral', 'service.version': '1.2.3', 'service.instance.id': 'a1' });
  });

  it('has what the environment says, and its name from the variable for the name alone', () => {
    const said = 'service.name=x, deployment.environment.name=prod%20eu,service.instance.id=pod-7,';
    expect(of({ OTEL_RESOURCE_ATTRIBUTES: said })).toEqual({
      'service.name': 'x',
      'service.version': '1.2.3',
      'service.instance.id': 'pod-7',
      'deployment.environment.name': 'prod eu',
    });
    expect(of({ OTEL_RESOURCE_ATTRIBUTES: said, OTEL_SERVICE_NAME: 'y' })['service.name']).toBe('y');
  });

  it('ignores a text that cannot be read', () => {
    for (const said of ['a=%E0%A4%A', 'novalue', '=x'])
      expect(of({ OTEL_RESOURCE_ATTRIBUTES: `k=v,${said}`, OTEL_SERVICE_NAME: '' })).toEqual(of({}));
  });
});
