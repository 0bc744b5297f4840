/**
 * Consumer groups of one member, as in a Kafka with `group.max.size=1`: kafkajs consumes in no other way, and `kcat -G`
 * does too. A second member is refused until the first has left or has not been heard of for its session's time.
 */
import type { Buffer } from "node:buffer";
import { randomUUID } from "node:crypto";
import { KafkaError } from "./errors.ts";

/** Anybody may name a group. */
const mostGroups = 10_000;

interface Member {
  readonly id: string;
  readonly sessionMs: number;
  lastHeardMs: number;
  assignment: Buffer | undefined;
}

interface Group {
  generation: number;
  member: Member | undefined;
}

export interface Joined {
  readonly generation: number;
  readonly member: string;
}

export class Groups {
  readonly #groups = new Map<string, Group>();

  /** Joins, or joins again, which begins a new generation. An empty `id` asks for a new one. */
  join(name: string, id: string, sessionMs: number, hasProtocol: boolean): Joined {
    if (name === "") throw new KafkaError("invalidGroupId");
    if (!hasProtocol) throw new KafkaError("inconsistentGroupProtocol");
    if (this.#groups.size >= mostGroups && !this.#groups.has(name)) throw new KafkaError("coordinatorNotAvailable");
    const group = this.#groups.get(name) ?? { generation: 0, member: undefined };
    const present = presentMember(group);
    if (id !== "" && present?.id !== id) throw new KafkaError("unknownMemberId");
    if (id === "" && present !== undefined) throw new KafkaError("groupMaxSizeReached");
    const member = {
      id: id || `member-${randomUUID()}`,
      sessionMs,
      lastHeardMs: performance.now(),
      assignment: undefined,
    };
    this.#groups.set(name, { generation: group.generation + 1, member });
    return { generation: group.generation + 1, member: member.id };
  }

  /** Takes in what a member, who leads its group of one, has assigned to itself; or answers it. */
  sync(name: string, generation: number, id: string, assignment: Buffer | undefined): Buffer | undefined {
    const member = this.#heard(name, generation, id);
    member.assignment = assignment ?? member.assignment;
    return member.assignment;
  }

  heartbeat(name: string, generation: number, id: string): void {
    this.#heard(name, generation, id);
  }

  leave(name: string, id: string): void {
    const group = this.#groups.get(name);
    if (group?.member?.id !== id) throw new KafkaError("unknownMemberId");
    group.member = undefined;
  }

  /** Whether somebody may commit offsets: the member, or anybody while there is none and no generation is claimed. */
  checkCommit(name: string, generation: number, id: string): void {
    const group = this.#groups.get(name);
    const isNobody = group === undefined || presentMember(group) === undefined;
    if (!(isNobody && generation < 0)) this.#heard(name, generation, id);
  }

  #heard(name: string, generation: number, id: string): Member {
    const group = this.#groups.get(name);
    const member = group && presentMember(group);
    if (member?.id !== id) throw new KafkaError("unknownMemberId");
    if (group?.generation !== generation) throw new KafkaError("illegalGeneration");
    member.lastHeardMs = performance.now();
    return member;
  }
}

function presentMember({ member }: Group): Member | undefined {
  return member !== undefined && performance.now() - member.lastHeardMs < member.sessionMs ? member : undefined;
}
