import { Deployment } from 'kubernetes-models/apps/v1';
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2';
import { Job } from 'kubernetes-models/batch/v1';
import { Ingress, NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1';
import { ConfigMap, Pod, Service, ServiceAccount } from 'kubernetes-models/v1';
import type { Manifest } from './chart';

interface Kind {
  readonly apiVersion: string;
  readonly kind: string;
  readonly prototype: { validate(): void };
  new (data: never): object;
}

const KINDS: readonly Kind[] = [Deployment, HorizontalPodAutoscaler, Job, Ingress, NetworkPolicy, PodDisruptionBudget, ConfigMap, Pod, Service, ServiceAccount]; // prettier-ignore

/** Custom resources, as far as the chart uses them: the keys that their definitions have. */
const CUSTOM: Readonly<Record<string, readonly string[]>> = {
  'keda.sh/v1alpha1 ScaledObject': ['scaleTargetRef', 'minReplicaCount', 'maxReplicaCount', 'fallback', 'triggers'], // prettier-ignore
  'monitoring.coreos.com/v1 ServiceMonitor': ['selector', 'endpoints'],
  'monitoring.coreos.com/v1 PrometheusRule': ['groups'],
};

/** What Kubernetes would object to: wrong types, missing fields, and fields that it does not know. */
export function objectionsTo(manifest: Manifest): string[] {
  const { apiVersion, kind } = manifest;
  const custom = CUSTOM[`${apiVersion} ${kind}`];
  if (custom) return Object.keys(manifest.spec as object).filter((key) => !custom.includes(key));
  const model = KINDS.find((each) => each.apiVersion === apiVersion && each.kind === kind);
  if (!model) return [`There is no schema of ${apiVersion} ${kind}.`];
  const watched = new Watched(manifest, `${kind} ${manifest.metadata.name}`);
  try {
    model.prototype.validate.call(watched.proxy);
  } catch (error) {
    return [`${kind} ${manifest.metadata.name}: ${String(error)}`];
  }
  return watched.neverRead();
}

/**
 * The models' validators are compiled and let unknown fields pass, but they read every field they know: one that was
 * never read is unknown. Maps with free keys are iterated.
 */
class Watched {
  readonly proxy: object;
  private readonly read = new Set<string>();
  private readonly children = new Map<string, Watched>();
  private iterated = false;

  constructor(
    private readonly target: object,
    private readonly path: string,
  ) {
    this.proxy = new Proxy(target, {
      get: (_, key) => this.get(key),
      ownKeys: () => {
        this.iterated = true;
        return Reflect.ownKeys(target);
      },
    });
  }

  neverRead(): string[] {
    const own = Array.isArray(this.target) || this.iterated ? [] : Object.keys(this.target);
    const unknown = own.filter((key) => !this.read.has(key)).map((key) => `${this.path}/${key} is unknown`);
    return [...unknown, ...[...this.children.values()].flatMap((child) => child.neverRead())];
  }

  private get(key: string | symbol): unknown {
    const value: unknown = Reflect.get(this.target, key);
    if (typeof key === 'symbol' || !Object.hasOwn(this.target, key)) return value;
    this.read.add(key);
    if (typeof value !== 'object' || value === null) return value;
    const child = this.children.get(key) ?? new Watched(value, `${this.path}/${key}`);
    this.children.set(key, child);
    return child.proxy;
  }
}
