/** Objects: made, removed, looked at, changed. */
import { messageOf } from '@blk/core-graph';
import { QmpError, validateType } from '@blk/qapi-types';
import type { CommandGroup } from '../dispatch.js';
import { genericError } from '../errors.js';
import { makeObject, removeObject } from '../make-object.js';
import type { Objects, ServerObject } from '../objects.js';
import { limitsOfProperties } from '../throttle-limits.js';

const TYPE = { name: 'type', type: 'string' };

export const objects: CommandGroup = {
  'object-add': (options, { server }) => makeObject(server, options),

  'object-del': ({ id }, { server }) => {
    removeObject(server, id);
  },

  'qom-list': ({ path }, { server }) => {
    if (path === '/' || path === '') return [TYPE, { name: 'objects', type: 'child<container>' }];
    if (path === '/objects' || path === 'objects') return [TYPE, ...server.objects.all().map(({ id, type }) => ({ name: id, type: `child<${type}>` }))];
    const object = find(server.objects, path);
    const limits = object.type === 'throttle-group' ? Object.keys(object.group.limits).map((name) => ({ name: `x-${name}`, type: 'int' })) : [];
    return [TYPE, ...limits, ...(object.type === 'throttle-group' ? [{ name: 'limits', type: 'ThrottleLimits' }] : [])];
  },

  'qom-get': ({ path, property }, { server }) => {
    const object = find(server.objects, path);
    if (property === 'type') return object.type;
    if (object.type !== 'throttle-group') throw noProperty(object, property);
    const { limits } = object.group;
    if (property === 'limits') return { ...limits };
    const value = Object.entries(limits).find(([name]) => property === `x-${name}`)?.[1];
    if (value === undefined) throw noProperty(object, property);
    return value;
  },

  'qom-set': ({ path, property, value }, { server }) => {
    const object = find(server.objects, path);
    if (property === 'type') throw genericError(`Property '${object.type}.type' is not writable`);
    if (object.type !== 'throttle-group') throw noProperty(object, property);
    if (property.startsWith('x-') && Object.hasOwn(object.group.limits, property.slice(2))) {
      throw genericError('Property cannot be set after initialization');
    }
    if (property !== 'limits') throw noProperty(object, property);
    const changes = validateType('ThrottleGroupProperties', { limits: value });
    try {
      // What is not named stays.
      object.group.setLimits(limitsOfProperties(changes, object.group.limits));
    } catch (error) {
      throw genericError(messageOf(error), error);
    }
  },
};

/** The object at a path, which may be its id alone. */
function find(objects: Objects, path: string): ServerObject {
  const object = objects.named(path.replace(/^\/?objects\//, ''));
  if (object === undefined) throw new QmpError('DeviceNotFound', `Device '${path}' not found`);
  return object;
}

function noProperty({ type }: ServerObject, property: string): QmpError {
  return genericError(`Property '${type}.${property}' not found`);
}
