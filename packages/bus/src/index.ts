export { RouteRegistry } from './route-registry.ts';
