/** The content of `@corral/testing`: the cell and the host are in this package, so it has no copy of them. */
export * from '@corral/testing';
