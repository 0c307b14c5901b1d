/** Routes about the host itself: its configuration, and whether it is there. */
import { route } from './route.ts';
import * as s from './schemas.ts';

export const HOST_ROUTES = {
  showConfig: route({
    method: 'GET',
    path: '/v1/config',
    tag: 'configuration',
    summary: 'Shows the configuration in force.',
    operation: 'config.read',
    status: 200,
    response: s.ConfigView,
  }),
  checkConfig: route({
    method: 'POST',
    path: '/v1/config/check',
    tag: 'configuration',
    summary: 'Reads the configuration file again and says what would change.',
    operation: 'config.apply',
    act: { none: 'it only says what would change' },
    status: 200,
    response: s.ConfigCheck,
  }),
  applyConfig: route({
    method: 'POST',
    path: '/v1/config/apply',
    tag: 'configuration',
    summary: 'Reads the configuration file again and applies it, all of it or nothing.',
    operation: 'config.apply',
    act: 'apply-config',
    query: s.Reasoned,
    status: 200,
    response: s.ConfigCheck,
  }),
  health: route({
    method: 'GET',
    path: '/healthz',
    tag: 'host',
    summary: 'Says that the process answers.',
    operation: 'open',
    status: 200,
    response: s.Health,
  }),
  ready: route({
    method: 'GET',
    path: '/readyz',
    tag: 'host',
    summary: 'Says whether work is taken; 503 while it is not.',
    operation: 'open',
    status: 200,
    response: s.Ready,
  }),
};
