/** The error codes of Kafka's protocol that this example answers with. */
import { TransferError } from "sluice";

export const errorCodes = {
  none: 0,
  offsetOutOfRange: 1,
  corruptMessage: 2,
  unknownTopicOrPartition: 3,
  messageTooLarge: 10,
  offsetMetadataTooLarge: 12,
  coordinatorNotAvailable: 15,
  invalidTopic: 17,
  invalidRequiredAcks: 21,
  illegalGeneration: 22,
  inconsistentGroupProtocol: 23,
  invalidGroupId: 24,
  unknownMemberId: 25,
  unsupportedVersion: 35,
  policyViolation: 44,
  storageError: 56,
  groupMaxSizeReached: 81,
  invalidRecord: 87,
} as const;

export type ErrorName = keyof typeof errorCodes;

/** What the protocol has a code for. */
export class KafkaError extends Error {
  readonly code: number;

  constructor(name: ErrorName, options?: ErrorOptions) {
    super(name, options);
    this.code = errorCodes[name];
  }
}

/** The code to answer with: the disk's errors have one in common. Anything else is a mistake of ours and goes on. */
export function codeOf(error: unknown): number {
  if (error instanceof KafkaError) return error.code;
  const { errno, syscall } = error as Partial<NodeJS.ErrnoException>;
  if (!(error instanceof TransferError) && (errno === undefined || syscall === undefined)) throw error;
  console.error(String(error));
  return errorCodes.storageError;
}
