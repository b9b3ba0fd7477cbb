import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { outputOf, unpackedDebianPackages } from './debian-tools';
import type { Manifest } from './chart';

const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';
const PODS = '/api/v1/namespaces/default/pods';

type Json = Readonly<Record<string, unknown>>;

/** What the processes of the deployments are, told by whoever runs them. */
export interface Workloads {
  /** What the component's process has written so far. */
  log(component: string): string;
  runs(component: string): boolean;
  /** An operator has asked for so many replicas. */
  scaled(component: string, replicas: number): void;
}

/** Served to `kubectl` so that it knows where the kinds are that the runbooks name. */
const DISCOVERY: Readonly<Record<string, Json>> = {
  '/api': { kind: 'APIVersions', versions: ['v1'] },
  '/apis': {
    kind: 'APIGroupList',
    apiVersion: 'v1',
    groups: ['apps', 'autoscaling'].map((name) => ({
      name,
      versions: [{ groupVersion: `${name}/v1`, version: 'v1' }],
      preferredVersion: { groupVersion: `${name}/v1`, version: 'v1' },
    })),
  },
  '/api/v1': resources('v1', [
    { name: 'pods', kind: 'Pod', shortNames: ['po'] },
    { name: 'events', kind: 'Event' },
  ]),
  '/apis/apps/v1': resources('apps/v1', [
    { name: 'deployments', kind: 'Deployment', shortNames: ['deploy'] },
    { name: 'deployments/scale', kind: 'Scale', group: 'autoscaling', version: 'v1' },
    { name: 'replicasets', kind: 'ReplicaSet', shortNames: ['rs'] },
  ]),
  '/apis/autoscaling/v1': resources('autoscaling/v1', []),
};

/**
 * The part of Kubernetes' API that `kubectl get`, `describe`, `logs` and `scale` need, over the objects that the chart
 * renders. It runs nothing: pods stand for processes that somebody else runs.
 */
export class KubernetesApi {
  private readonly replicas = new Map<string, number>();
  private readonly server: Server;

  private constructor(
    private readonly deployments: readonly Manifest[],
    private readonly workloads: Workloads,
  ) {
    for (const { metadata, spec } of deployments)
      this.replicas.set(metadata.name, (spec as { replicas?: number }).replicas ?? 1);
    this.server = createServer((request, response) => {
      void this.answer(request).then(({ status, body }) => {
        const isText = typeof body === 'string';
        response.writeHead(status, { 'content-type': isText ? 'text/plain' : 'application/json' });
        response.end(isText ? body : JSON.stringify(body));
      });
    });
  }

  static async start(manifests: readonly Manifest[], workloads: Workloads): Promise<KubernetesApi> {
    const api = new KubernetesApi(
      manifests.filter(({ kind }) => kind === 'Deployment'),
      workloads,
    );
    api.server.listen(0, '127.0.0.1');
    await once(api.server, 'listening');
    return api;
  }

  /** Writes a file for KUBECONFIG into the directory. */
  kubeconfig(directory: string): string {
    const { port } = this.server.address() as AddressInfo;
    const path = join(directory, 'kubeconfig.json');
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'test', cluster: { server: `http://127.0.0.1:${port}` } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
      users: [{ name: 'test', user: {} }],
      'current-context': 'test',
    };
    writeFileSync(path, JSON.stringify(config));
    return path;
  }

  /** As if somebody had scaled it. */
  scale(component: string, replicas: number): void {
    const deployment = this.deployments.find((each) => componentOf(each) === component);
    if (!deployment) throw new Error(`The chart has no deployment of ${component}.`);
    this.replicas.set(deployment.metadata.name, replicas);
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  private async answer(request: IncomingMessage): Promise<{ status: number; body: Json | string }> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://kubernetes');
    const selector = searchParams.get('labelSelector');
    const known = DISCOVERY[pathname];
    if (known) return { status: 200, body: known };
    if (pathname === PODS) return list('v1', 'PodList', this.pods().filter(({ metadata }) => selects(selector, metadata.labels))); // prettier-ignore
    if (pathname.startsWith('/apis/apps/v1/namespaces/default/replicasets')) return list('apps/v1', 'ReplicaSetList', []); // prettier-ignore
    if (pathname.startsWith('/api/v1/namespaces/default/events')) return list('v1', 'EventList', []);
    const [name = '', part] = pathname.replace(`${DEPLOYMENTS}/`, '').replace(`${PODS}/`, '').split('/');
    if (pathname.startsWith(`${PODS}/`)) return this.pod(name, part, searchParams);
    if (!this.replicas.has(name)) return missing(name);
    if (part === 'scale' && request.method !== 'GET') {
      const { spec } = JSON.parse(await textOf(request)) as { spec: { replicas: number } };
      this.replicas.set(name, spec.replicas);
      const deployment = this.deployments.find(({ metadata }) => metadata.name === name);
      if (deployment) this.workloads.scaled(componentOf(deployment), spec.replicas);
    }
    return { status: 200, body: part === 'scale' ? this.scaleOf(name) : this.deployment(name) };
  }

  private pod(name: string, part: string | undefined, asked: URLSearchParams) {
    const pod = this.pods().find(({ metadata }) => metadata.name === name);
    if (!pod) return missing(name);
    if (part !== 'log') return { status: 200, body: pod as Json };
    const lines = this.workloads.log(pod.metadata.labels['app.kubernetes.io/component'] ?? '').trimEnd();
    return { status: 200, body: `${lines.split('\n').slice(-Number(asked.get('tailLines') ?? 0)).join('\n')}\n` }; // prettier-ignore
  }

  private deployment(name: string): Json {
    const { spec, ...rest } = this.deployments.find(({ metadata }) => metadata.name === name) as Manifest;
    const replicas = this.replicas.get(name);
    const metadata = { ...rest.metadata, namespace: 'default', creationTimestamp: new Date().toISOString() };
    return { ...rest, metadata, spec: { ...(spec as object), replicas }, status: { replicas } };
  }

  private scaleOf(name: string): Json {
    const replicas = this.replicas.get(name);
    const metadata = { name, namespace: 'default' };
    return {
      apiVersion: 'autoscaling/v1',
      kind: 'Scale',
      metadata,
      spec: { replicas },
      status: { replicas },
    };
  }

  private pods() {
    return this.deployments.flatMap((deployment) => {
      const { metadata, spec } = (deployment.spec as { template: { metadata: { labels: Record<string, string> }; spec: { containers: { name: string }[] } } }).template; // prettier-ignore
      const state = this.workloads.runs(componentOf(deployment))
        ? { running: {} }
        : { waiting: { reason: 'CrashLoopBackOff' } };
      return Array.from({ length: this.replicas.get(deployment.metadata.name) ?? 0 }, (_, index) => ({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { ...metadata, name: `${deployment.metadata.name}-${index}`, namespace: 'default' },
        spec,
        status: { phase: 'Running', containerStatuses: spec.containers.map(({ name }) => ({ name, state })) },
      }));
    });
  }
}

/** `kubectl`: the machine's own, or Debian's, unpacked for the tests. */
export async function kubectl(): Promise<string> {
  if ((await outputOf('kubectl', ['version', '--client'])).code === 0) return 'kubectl';
  return join(await unpackedDebianPackages('kubernetes-client', ['kubernetes-client']), 'usr', 'bin', 'kubectl'); // prettier-ignore
}

function componentOf({ metadata }: Manifest): string {
  return metadata.labels?.['app.kubernetes.io/component'] ?? '';
}

/** Equality alone, which is what deployments and the runbooks use. */
function selects(selector: string | null, labels: Readonly<Record<string, string>>): boolean {
  return (selector ?? '').split(',').every((each) => {
    const [label = '', value] = each.split('=');
    return label === '' || labels[label] === value;
  });
}

function resources(groupVersion: string, kinds: readonly Json[]): Json {
  const named = kinds.map((each) => ({ singularName: '', namespaced: true, verbs: ['get', 'list', 'patch', 'update'], ...each })); // prettier-ignore
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources: named };
}

function list(apiVersion: string, kind: string, items: readonly unknown[]) {
  return { status: 200, body: { apiVersion, kind, metadata: {}, items } };
}

function missing(name: string) {
  const message = `"${name}" not found`;
  return { status: 404, body: { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'NotFound', code: 404, message } }; // prettier-ignore
}

async function textOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}
