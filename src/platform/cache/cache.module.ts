import { Global, Module } from '@nestjs/common';
import { AnswerCache } from './answer-cache';
import { SharedRedis } from './shared-redis';

@Global()
@Module({ providers: [SharedRedis, AnswerCache], exports: [SharedRedis, AnswerCache] })
export class CacheModule {}
