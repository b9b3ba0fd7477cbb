import { Controller, Get, Param, Query, StreamableFile } from '@nestjs/common';
import { ApiOperation, ApiParam, ApiProduces, ApiQuery, ApiResponse, ApiTags } from '@nestjs/swagger';
import { AllowAnonymous } from '../../platform/http/allow-anonymous.decorator';
import { ApiProblems } from '../../platform/http/api-problems.decorator';
import { AppError } from '../../shared/errors';
import { type ArtifactKey, fileNameOf, parseArtifactKey } from './artifact-key';
import { LocalArtifactStore } from './local.artifact-store';

/** Path of the links of the local store; the key of an artifact follows. */
export const ARTIFACTS_ROUTE = 'analytics/v1/artifacts';

/** Serves files of the local disk to whoever has a link that this service signed. */
@ApiTags('exports')
@Controller(ARTIFACTS_ROUTE)
export class ArtifactsController {
  constructor(private readonly store: LocalArtifactStore) {}

  @Get('exports/:org/:jobId/:attempt/:fileName')
  @AllowAnonymous()
  @ApiOperation({
    summary: 'A file by its signed link',
    description: 'The link is the Location of a download.',
  })
  @ApiParam({ name: 'org' })
  @ApiParam({ name: 'jobId' })
  @ApiParam({ name: 'attempt' })
  @ApiParam({ name: 'fileName' })
  @ApiQuery({ name: 'expires', type: 'integer' })
  @ApiQuery({ name: 'signature' })
  @ApiProduces('text/csv', 'application/gzip')
  @ApiResponse({ status: 200, description: 'The file.' })
  @ApiProblems('not_found', 'gone', 'unavailable')
  async file(
    @Param() place: Record<string, string>,
    @Query() link: Record<string, unknown>,
  ): Promise<StreamableFile> {
    const key = keyOf(place);
    const { content, bytes } = await this.store.openLink(key, {
      expires: Number(link['expires']),
      signature: typeof link['signature'] === 'string' ? link['signature'] : '',
    });
    const name = fileNameOf(key);
    return new StreamableFile(content, {
      type: name.endsWith('.gz') ? 'application/gzip' : 'text/csv; charset=utf-8; header=present',
      disposition: `attachment; filename="${name}"`,
      length: bytes,
    });
  }
}

function keyOf({ org, jobId, attempt, fileName }: Record<string, string>): ArtifactKey {
  try {
    return parseArtifactKey(['exports', org, jobId, attempt, fileName].join('/'));
  } catch {
    throw new AppError('not_found', 'There is no such file.');
  }
}
