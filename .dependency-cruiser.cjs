// shared <- platform <- access <- modules <- app.module; the rules' names say what is meant.
const modules = '^src/(ingestion|aggregation|reaggregation|certificates|freshness|exports|budgets|canary)/';
const tests = '\\.(int-|e2e-|fault-)?spec\\.ts$';

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'nothing depends on itself in a circle',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'the kernel knows nothing but itself',
      severity: 'error',
      from: { path: '^src/shared/' },
      to: { path: '^src/', pathNot: '^src/shared/' },
    },
    {
      name: 'the kernel has no framework and does no I/O',
      severity: 'error',
      from: { path: '^src/shared/', pathNot: tests },
      to: {
        path: [
          'node_modules/(@nestjs/(?!cqrs)[^/]+|@golevelup/[^/]+|pg|pg-[^/]+|typeorm|ioredis|amqplib|amqp-[^/]+)/',
          '^(node:)?(fs|fs/promises|net|http|https|dgram|dns|tls|child_process|cluster|worker_threads)$',
        ],
      },
    },
    {
      name: 'the platform knows the kernel and no business',
      severity: 'error',
      from: { path: '^src/platform/', pathNot: tests },
      to: { path: '^src/', pathNot: '^src/(platform|shared)/' },
    },
    {
      name: 'access knows the platform and the kernel only',
      severity: 'error',
      from: { path: '^src/access/', pathNot: tests },
      to: { path: '^src/', pathNot: '^src/(access|platform|shared)/' },
    },
    {
      name: 'modules meet in the database and on the buses, never in an import',
      severity: 'error',
      from: { path: `${modules}` },
      to: { path: `${modules}`, pathNot: '^src/$1/' },
    },
    {
      name: 'only the app module and the command line know the modules',
      severity: 'error',
      from: { path: modules, pathNot: tests },
      to: {
        path: '^src/',
        pathNot:
          '^src/(ingestion|aggregation|reaggregation|certificates|freshness|exports|budgets|canary|access|platform|shared)/',
      },
    },
    {
      name: 'the service does not know its command line',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/cli/', tests] },
      to: { path: '^src/cli/' },
    },
    {
      name: 'what runs in production knows no test',
      severity: 'error',
      from: { path: '^src/', pathNot: tests },
      to: { path: ['^test/', tests] },
    },
    {
      name: 'what runs in production is a dependency, not a development tool',
      severity: 'error',
      from: { path: '^src/', pathNot: [tests, '^src/cli/'] },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['require', 'node', 'default', 'types'],
      extensions: ['.ts', '.d.ts', '.js', '.json'],
    },
  },
};
