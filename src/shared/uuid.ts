/** In any case, as JSON Schema writes it. */
export const UUID_PATTERN = '^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$';

/** In any case, as callers may write it. */
export const UUID = new RegExp(UUID_PATTERN);

/** As this service and PostgreSQL write it. */
export const LOWER_CASE_UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
