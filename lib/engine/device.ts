/** A device that can run a model. */
export interface DeviceInfo {
  /** Name of the backend's device, for example `CPU` or `Vulkan0`. */
  readonly name: string;
  readonly kind: DeviceKind;
  /** Human-readable description. */
  readonly description: string;
  /** Bytes; 0 where the backend does not tell. */
  readonly memoryTotal: number;
  readonly memoryFree: number;
}

export type DeviceKind = 'cpu' | 'vulkan' | 'cuda' | 'metal' | 'fake';
