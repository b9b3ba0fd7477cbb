import { LOWER_CASE_UUID } from '../../shared/uuid';

const FILE_NAME = /^[a-z0-9][a-zA-Z0-9_-]*(\.[a-z0-9]+){1,2}$/;

declare const checked: unique symbol;

/**
 * The place of one object: `exports/{orgId}/{jobId}/{attempt}/{fileName}`. It only comes from `artifactKey`, so that no
 * text of a caller can name a place outside the folder of its own job.
 */
export type ArtifactKey = string & { readonly [checked]: 'key' };

/** `exports/{orgId}/{jobId}/`, or one attempt's folder in it: everything that one job may write. */
export type ArtifactFolder = string & { readonly [checked]: 'folder' };

/** One attempt of one job. */
export interface AttemptPlace {
  readonly orgId: string;
  readonly jobId: string;
  readonly attempt: number;
}

/** Throws `RangeError` for parts that do not make a place: path traversal cannot be expressed. */
export function artifactKey(place: AttemptPlace, fileName: string): ArtifactKey {
  if (!FILE_NAME.test(fileName)) throw new RangeError('This is not the name of an artifact.');
  return `${attemptFolder(place)}${fileName}` as ArtifactKey;
}

export function jobFolder({ orgId, jobId }: Omit<AttemptPlace, 'attempt'>): ArtifactFolder {
  if (!LOWER_CASE_UUID.test(orgId) || !LOWER_CASE_UUID.test(jobId))
    throw new RangeError('An artifact belongs to an organisation and a job.');
  return `exports/${orgId}/${jobId}/` as ArtifactFolder;
}

export function attemptFolder(place: AttemptPlace): ArtifactFolder {
  if (!Number.isSafeInteger(place.attempt) || place.attempt < 1)
    throw new RangeError('Attempts count from 1.');
  return `${jobFolder(place)}${place.attempt}/` as ArtifactFolder;
}

/** The key as stored in a job's row, checked again. */
export function parseArtifactKey(text: string): ArtifactKey {
  const [root, orgId = '', jobId = '', attempt = '', fileName = '', ...rest] = text.split('/');
  const key = artifactKey({ orgId, jobId, attempt: Number(attempt) }, fileName);
  if (root !== 'exports' || rest.length > 0 || key !== text)
    throw new RangeError('This is not the key of an artifact.');
  return key;
}

export function fileNameOf(key: ArtifactKey): string {
  return key.slice(key.lastIndexOf('/') + 1);
}
