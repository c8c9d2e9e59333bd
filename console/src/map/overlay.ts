/** Names, the loop and rings over the picture: moved with every frame, so by hand and not by components. */
import type { Spot } from "./camera";
import type { Group, Looks } from "./groups";
import type { Placed } from "./names";

export class Overlay {
  private readonly pool: HTMLElement[] = [];

  constructor(
    private readonly layer: HTMLElement,
    private readonly path: SVGPathElement,
    private readonly rings: readonly HTMLElement[],
  ) {}

  names(placed: readonly Placed[], looks: Looks, strong: Group | null): void {
    placed.forEach(({ group, x, y }, number) => {
      const element = this.pool[number] ?? this.more();
      if (element.textContent !== group.label) element.textContent = group.label;
      element.dataset["group"] = group.id;
      element.style.transform = `translate(${x}px, ${y}px) translate(-50%, -50%)`;
      element.style.setProperty("--own", looks.near(group));
      element.classList.toggle("strong", group === strong);
      element.hidden = false;
    });
    for (const element of this.pool.slice(placed.length)) element.hidden = true;
  }

  loop(path: readonly Spot[]): void {
    this.path.setAttribute(
      "d",
      path.map(({ x, y }, number) => `${number === 0 ? "M" : "L"}${x} ${y}`).join("") + (path.length > 0 ? "Z" : ""),
    );
  }

  /** Put each ring around a place, or away. */
  circle(places: readonly (Spot | null)[]): void {
    this.rings.forEach((ring, number) => {
      const at = places[number] ?? null;
      ring.hidden = at === null;
      if (at !== null) ring.style.transform = `translate(${at.x}px, ${at.y}px) translate(-50%, -50%)`;
    });
  }

  private more(): HTMLElement {
    const element = document.createElement("div");
    element.className = "name";
    this.layer.append(element);
    this.pool.push(element);
    return element;
  }
}
