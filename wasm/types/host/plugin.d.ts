// world sluice:transfer/plugin@0.1.0
import type * as SluiceTransferNative from './interfaces/sluice-transfer-native.d.ts'; // sluice:transfer/native@0.1.0
import type * as SluiceTransferTypes from './interfaces/sluice-transfer-types.d.ts'; // sluice:transfer/types@0.1.0
import type * as SluiceTransferTransfer from './interfaces/sluice-transfer-transfer.d.ts'; // sluice:transfer/transfer@0.1.0
export interface ImportObject {
  'sluice:transfer/native@0.1.0': typeof SluiceTransferNative,
  'sluice:transfer/types@0.1.0': typeof SluiceTransferTypes,
}
export interface Plugin {
  'sluice:transfer/transfer@0.1.0': typeof SluiceTransferTransfer,
  transfer: typeof SluiceTransferTransfer,
}

/**
* Instantiates this component with the provided imports and
* returns a map of all the exports of the component.
*
* This function is intended to be similar to the
* `WebAssembly.Instantiate` constructor. The second `imports`
* argument is the "import object" for wasm, except here it
* uses component-model-layer types instead of core wasm
* integers/numbers/etc.
*
* The first argument to this function, `getCoreModule`, is
* used to compile core wasm modules within the component.
* Components are composed of core wasm modules and this callback
* will be invoked per core wasm module. The caller of this
* function is responsible for reading the core wasm module
* identified by `path` and returning its compiled
* `WebAssembly.Module` object. This would use the
* `WebAssembly.Module` constructor on the web, for example.
*/
export function instantiate(
getCoreModule: (path: string) => WebAssembly.Module,
imports: ImportObject,
instantiateCore?: (module: WebAssembly.Module, imports: Record<string, any>) => WebAssembly.Instance
): Plugin;
export function instantiate(
getCoreModule: (path: string) => WebAssembly.Module | Promise<WebAssembly.Module>,
imports: ImportObject,
instantiateCore?: (module: WebAssembly.Module, imports: Record<string, any>) => WebAssembly.Instance | Promise<WebAssembly.Instance>
): Plugin | Promise<Plugin>;

