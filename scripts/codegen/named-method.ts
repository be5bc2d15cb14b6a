/** Owns the methods of the spec table together with the names that they have in code. */
import { constantCase, pascalCase } from './names.js'
import { classes, type MethodSpec } from './spec.js'

export interface NamedMethod {
  readonly spec: MethodSpec
  readonly className: string
  readonly classId: number
  /** `basic.get-ok` */
  readonly name: string
  /** `BASIC_GET_OK` */
  readonly constant: string
  /** `BasicGetOk` */
  readonly type: string
  /** class << 16 | method */
  readonly id: number
}

/** Every method, by class and then in the order of the table. */
export function namedMethods(): NamedMethod[] {
  return classes.flatMap(({ id: classId, name: className, methods }) =>
    methods.map(spec => ({
      spec,
      className,
      classId,
      name: `${className}.${spec.name}`,
      constant: constantCase(className, spec.name),
      type: pascalCase(className, spec.name),
      id: classId * 0x10000 + spec.id,
    })),
  )
}
