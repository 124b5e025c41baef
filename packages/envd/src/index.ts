export { buildGuestBundle, GUEST_BUNDLE_MOUNT_POINT, type LaunchInfo } from './guest-bundle.ts';
