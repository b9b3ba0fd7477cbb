import { ValidateIf } from 'class-validator';

/**
 * The field may be left out. Null is a value like others and is held against the field's rules, where `IsOptional`
 * would let it past all of them: that is for fields in which null means none.
 */
export const Optional = (): PropertyDecorator => ValidateIf((_, value) => value !== undefined);
