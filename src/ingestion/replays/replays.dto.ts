import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsIn, IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';
import { Optional } from '../../platform/http/optional.decorator';
import { exactInteger } from '../../shared/decimal';
import { INSTANT_FORMS } from '../../shared/time-window';
import type { ReplayPage } from './queries/list-replays.query';
import { type Replay, REPLAY_STATES, type ReplayState } from './replay.entity';

const TIME = { type: String, format: 'date-time' } as const;
const MAYBE_TIME = { ...TIME, nullable: true } as const;
const COUNT = { type: 'integer' } as const;
const PARTITION = 'must be a whole number from 0 to 63.';
const OFFSET = 'must be a whole number from 0 up.';

export class RequestReplayDto {
  @ApiProperty({ type: 'integer', minimum: 0, maximum: 63, description: 'Of the stream; below INGEST_PARTITIONS.' }) // prettier-ignore
  @IsInt({ message: PARTITION })
  @Min(0, { message: PARTITION })
  @Max(63, { message: PARTITION })
  partition!: number;

  @ApiPropertyOptional({ type: 'integer', minimum: 0, nullable: true, description: 'Offset to begin at, below the cursor of the partition.' }) // prettier-ignore
  @IsOptional()
  @IsInt({ message: OFFSET })
  @Min(0, { message: OFFSET })
  @Max(Number.MAX_SAFE_INTEGER, { message: OFFSET })
  fromOffset?: number | null;

  @ApiPropertyOptional({ type: String, nullable: true, description: `Instead of fromOffset: when its first message was published, or earlier by at most a chunk of the stream. ${INSTANT_FORMS}.` }) // prettier-ignore
  @IsOptional()
  @IsString({ message: 'must be a time as text.' })
  @MaxLength(64)
  fromTime?: string | null;
}

export class ListReplaysDto {
  @ApiPropertyOptional({ enum: REPLAY_STATES, description: 'Only those in this state.' })
  @Optional()
  @IsIn(REPLAY_STATES, { message: `must be one of ${REPLAY_STATES.join(', ')}.` })
  state?: ReplayState;

  @ApiPropertyOptional({ description: 'nextCursor of the page before.' })
  @Optional()
  @IsString()
  @MaxLength(200)
  cursor?: string;

  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 200, default: 50 })
  @Optional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(200)
  limit?: number;
}

class ReplayCountsAnswer {
  @ApiProperty({ ...COUNT, description: 'Messages read.' })
  messages!: number | string;

  @ApiProperty({ ...COUNT, description: 'Events in them: the sum of all below.' })
  received!: number | string;

  @ApiProperty({ ...COUNT, description: 'Were missing and are stored now.' })
  stored!: number | string;

  @ApiProperty({ ...COUNT, description: 'Were stored already.' })
  duplicates!: number | string;

  @ApiProperty({ ...COUNT, description: 'Conflict with what is stored, found now.' })
  conflicts!: number | string;

  @ApiProperty({ ...COUNT, description: 'Could not be stored, found now.' })
  quarantined!: number | string;

  @ApiProperty({ ...COUNT, description: 'Were in quarantine already, whatever was decided about them.' })
  known!: number | string;

  @ApiProperty({ ...COUNT, description: 'Occurred before single events are kept: left alone.' })
  expired!: number | string;
}

export class ReplayAnswer {
  @ApiProperty({ format: 'uuid' })
  replayId!: string;

  @ApiProperty({ enum: REPLAY_STATES })
  state!: ReplayState;

  @ApiProperty({ type: 'integer' })
  partition!: number;

  @ApiProperty({ type: 'integer', nullable: true })
  fromOffset!: number | string | null;

  @ApiProperty(MAYBE_TIME)
  fromTime!: string | null;

  @ApiProperty({ type: 'integer', description: 'Exclusive: the cursor when it was asked for.' })
  toOffset!: number | string;

  @ApiProperty({ type: 'integer', nullable: true, description: 'Everything below is read; null before the first message.' }) // prettier-ignore
  nextOffset!: number | string | null;

  @ApiProperty({ type: ReplayCountsAnswer })
  found!: ReplayCountsAnswer;

  @ApiProperty({ description: 'Id of the principal.' })
  requestedBy!: string;

  @ApiProperty(TIME)
  requestedAt!: string;

  @ApiProperty(MAYBE_TIME)
  startedAt!: string | null;

  @ApiProperty(MAYBE_TIME)
  finishedAt!: string | null;

  @ApiProperty({ type: 'integer', description: 'How often reading was begun.' })
  attempt!: number;

  @ApiProperty({ type: String, nullable: true, description: 'Why the last attempt failed.' })
  failure!: string | null;
}

export class ReplayPageAnswer {
  @ApiProperty({ type: [ReplayAnswer] })
  replays!: ReplayAnswer[];

  @ApiProperty({ type: String, nullable: true, description: 'Send it as cursor for the next page; null on the last.' }) // prettier-ignore
  nextCursor!: string | null;
}

export function answerOf(replay: Replay): ReplayAnswer {
  const { messages, received, stored, duplicates, conflicts, quarantined, known, expired } = replay;
  const found = { messages, received, stored, duplicates, conflicts, quarantined, known, expired };
  return {
    replayId: replay.replayId,
    state: replay.state,
    partition: replay.partition,
    fromOffset: replay.fromOffset === null ? null : exactInteger(replay.fromOffset),
    fromTime: replay.fromTime?.toISOString() ?? null,
    toOffset: exactInteger(replay.toOffset),
    nextOffset: replay.nextOffset === null ? null : exactInteger(replay.nextOffset),
    found: Object.fromEntries(Object.entries(found).map(([name, count]) => [name, exactInteger(count)])) as unknown as ReplayCountsAnswer, // prettier-ignore
    requestedBy: replay.requestedBy,
    requestedAt: replay.requestedAt.toISOString(),
    startedAt: replay.startedAt?.toISOString() ?? null,
    finishedAt: replay.finishedAt?.toISOString() ?? null,
    attempt: replay.attempt,
    failure: replay.failure,
  };
}

export function pageAnswerOf({ replays, nextCursor }: ReplayPage): ReplayPageAnswer {
  return { replays: replays.map(answerOf), nextCursor };
}
