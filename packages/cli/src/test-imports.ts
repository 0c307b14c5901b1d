/** Loaded before each test file by `corral test`: tests may name sources as agents and configurations may, by the names of compiled files. */
import { registerHooks } from 'node:module';
import { resolveSource } from '@corral/tools/compiled-names';

registerHooks({ resolve: (specifier, context, next) => resolveSource(specifier, (name) => next(name, context)) });
