import { Module } from '@nestjs/common';
import { CanaryScheduler } from './canary.scheduler';

/** A synthetic event a minute, from its sending to its appearance in the API. */
@Module({ providers: [CanaryScheduler] })
export class CanaryModule {}
