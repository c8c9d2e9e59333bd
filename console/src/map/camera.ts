/** What of the map is seen: the spot in the middle, and how many times larger than when all of it fits. */
export interface Spot {
  x: number;
  y: number;
}

export interface View extends Spot {
  zoom: number;
}

const MARGIN = 0.88;
const MOST_ZOOM = 400;
const LEAST_ZOOM = 0.5;

export class Camera {
  view: View;
  /** The size of what is looked through, in CSS pixels. */
  width = 1;
  height = 1;

  constructor(
    private readonly across: number,
    private readonly up: number,
  ) {
    this.view = this.home;
  }

  get home(): View {
    return { x: this.across / 2, y: this.up / 2, zoom: 1 };
  }

  /** Pixels to the map's unit. */
  get scale(): number {
    return this.scaleAt(this.view.zoom);
  }

  /** The view, kept within bounds. */
  look({ x, y, zoom }: View): void {
    const within = (value: number, low: number, high: number) => Math.min(high, Math.max(low, value));
    this.view = { x: within(x, 0, this.across), y: within(y, 0, this.up), zoom: within(zoom, LEAST_ZOOM, MOST_ZOOM) };
  }

  toScreen({ x, y }: Spot): Spot {
    return { x: this.width / 2 + (x - this.view.x) * this.scale, y: this.height / 2 - (y - this.view.y) * this.scale };
  }

  toMap({ x, y }: Spot): Spot {
    return { x: this.view.x + (x - this.width / 2) / this.scale, y: this.view.y - (y - this.height / 2) / this.scale };
  }

  pan(dx: number, dy: number): void {
    this.look({ ...this.view, x: this.view.x - dx / this.scale, y: this.view.y + dy / this.scale });
  }

  /** Make everything larger by a factor, around what is at a place of the screen. */
  zoomAt(place: Spot, factor: number): void {
    const before = this.toMap(place);
    this.look({ ...this.view, zoom: this.view.zoom * factor });
    const after = this.toMap(place);
    this.look({ ...this.view, x: this.view.x + before.x - after.x, y: this.view.y + before.y - after.y });
  }

  /** The view in which a part of the map fills the screen, no larger than `most`. */
  around(low: Spot, high: Spot, most = 12): View {
    const across = Math.max(high.x - low.x, 1e-6);
    const up = Math.max(high.y - low.y, 1e-6);
    const zoom = Math.min((this.width * 0.6) / across, (this.height * 0.6) / up) / this.scaleAt(1);
    return { x: (low.x + high.x) / 2, y: (low.y + high.y) / 2, zoom: Math.min(zoom, most) };
  }

  private scaleAt(zoom: number): number {
    return Math.min(this.width / this.across, this.height / this.up) * MARGIN * zoom;
  }
}
