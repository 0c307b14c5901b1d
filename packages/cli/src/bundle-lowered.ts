/**
 * Lowers the async functions of a bundle that imports `node:async_hooks`. V8 keeps no value of ours across a native `await`; a generator
 * that yields what it awaits is resumed by the isolate, which knows the context that it belongs to (sandbox-images/base/parts/context.ts).
 */
import type { BuildOptions } from 'esbuild';
import { ASYNC_HOOKS } from '@corral/guest/abi';
import { CorralError } from '@corral/protocol/errors';

/** Whether the text of a bundle has to be made again with `LOWERED`. */
export const needsLowering = (text: string): boolean => text.includes(ASYNC_HOOKS);

export const LOWERED: Pick<BuildOptions, 'supported'> = {
  supported: { 'async-await': false, 'async-generator': false, 'for-await': false },
};

/** Finds a text of esbuild's, which numbers names that a bundle has already. */
const pattern = (text: string): RegExp =>
  new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`).replace(/[A-Za-z_][A-Za-z_]*/g, String.raw`$&\d*`), 'g');

/** esbuild's helpers as it minifies them, and what is in their place. Packages that were built by esbuild have copies of the first. */
const RUN = pattern(
  '=(__this,__arguments,generator)=>new Promise((resolve,reject)=>{var fulfilled=value=>{try{step(generator.next(value))}catch(e){reject(e)}},rejected=value=>{try{step(generator.throw(value))}catch(e){reject(e)}},step=x=>x.done?resolve(x.value):Promise.resolve(x.value).then(fulfilled,rejected);step((generator=generator.apply(__this,__arguments)).next())})',
);
const GENERATE = pattern(
  '=(__this,__arguments,generator)=>{var resume=(k,v,yes,no)=>{try{var x=generator[k](v),isAwait=(v=x.value)instanceof __await,done=x.done;Promise.resolve(isAwait?v[0]:v).then(y=>isAwait?resume(k==="return"?k:"next",v[1]?{done:y.done,value:y.value}:y,yes,no):yes({value:y,done})).catch(e=>resume("throw",e,yes,no))}catch(e){no(e)}},method=(k,call,wait,clear)=>it[k]=x=>(call=new Promise((yes,no,run)=>(run=()=>resume(k,x,yes,no),q?q.then(run):run())),clear=()=>q===wait&&(q=0),q=wait=call.then(clear,clear),call),q,it={};return generator=generator.apply(__this,__arguments),it[__knownSymbol("asyncIterator")]=()=>it,method("next"),method("throw"),method("return"),it}',
);
const CLASS_OF_WAITS = /instanceof (__await\d*)/;
/** An empty async function or generator of which the prototype or the class is asked for. */
const ASKED =
  /(?<=getPrototypeOf\(|\()(?:function\(\)\{return (__async(?:Generator)?)\d*\(this,null,function\*\(\)\{\}\)\}|\(\)=>__async\d*\(null,null,function\*\(\)\{\}\))(?=\)\.constructor|(?<=getPrototypeOf\(.{1,80})\))/g;

/** Puts what the isolate has in the place of helpers. Each is padded to its length, so that the source map stays right. */
export function withHooks(lowered: string): string {
  return lowered
    .replace(RUN, (helper) => `=${ASYNC_HOOKS}.run`.padEnd(helper.length))
    .replace(GENERATE, (helper) => {
      const waits = CLASS_OF_WAITS.exec(helper)?.[1] ?? '';
      return `=(self,args,body)=>${ASYNC_HOOKS}.generate(self,args,body,${waits})`.padEnd(helper.length);
    })
    .replace(ASKED, (all: string, helper?: string) =>
      `${ASYNC_HOOKS}.${helper === '__asyncGenerator' ? 'AsyncGeneratorFunction' : 'AsyncFunction'}`.padEnd(all.length),
    );
}

/** A module for which esbuild writes each text that `withHooks` replaces. */
export const PROBE = `export const a = async () => {
  await 1;
};
export async function* b() {
  yield 1;
}
export const c = [Object.getPrototypeOf(async function () {}).constructor, (async function* () {}).constructor];`;
const HOOKS = ['run', 'generate', 'AsyncFunction', 'AsyncGeneratorFunction'];

/**
 * Texts of esbuild's are an agreement with one version of it. After another one `withHooks` would replace nothing, and values would be lost at
 * each `await` of a run, where nobody sees why.
 * @param probe PROBE as this esbuild lowers it
 * @throws CORRAL_INTERNAL if a text of it is another one
 */
export function refuseOtherHelpers(probe: string, version: string): void {
  const hooked = withHooks(probe);
  const missing = HOOKS.filter((name) => !new RegExp(String.raw`${ASYNC_HOOKS}\.${name}\b`).test(hooked));
  if (missing.length === 0) return;
  throw new CorralError(
    'CORRAL_INTERNAL',
    `esbuild ${version} lowers async functions in a way that this version of Corral does not know (${missing.join(', ')}), so a bundle with node:async_hooks cannot be made.`,
  );
}
