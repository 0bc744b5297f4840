/// <reference path="./interfaces/sluice-transfer-native.d.ts" />
/// <reference path="./interfaces/sluice-transfer-transfer.d.ts" />
/// <reference path="./interfaces/sluice-transfer-types.d.ts" />
declare module 'sluice:transfer/plugin@0.1.0' {
  export type * as SluiceTransferNative010 from 'sluice:transfer/native@0.1.0'; // import sluice:transfer/native@0.1.0
  export type * as SluiceTransferTypes010 from 'sluice:transfer/types@0.1.0'; // import sluice:transfer/types@0.1.0
  export * as transfer from 'sluice:transfer/transfer@0.1.0'; // export sluice:transfer/transfer@0.1.0
}
