/** Loaded before each test file by `corral test`: tests may import the sources of a repository as agents and configurations may. */
import { registerHooks } from 'node:module';
import { formatOf, resolveSource } from '@corral/tools/compiled-names';

registerHooks({
  resolve: (specifier, context, next) => resolveSource(specifier, (name) => next(name, context)),
  load(url, context, next) {
    const format = formatOf(url, context.format);
    return next(url, format === undefined ? context : { ...context, format });
  },
});
