/** Dark, light, or as the system is; what was chosen stays in this browser. */
import { signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

const STORED = "coterie-theme";
const ORDER: readonly Theme[] = ["system", "light", "dark"];

export const theme = signal<Theme>(ORDER.find((each) => each === localStorage.getItem(STORED)) ?? "system");

export function applyTheme(): void {
  if (theme.value === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
}

export function nextTheme(): void {
  theme.value = ORDER[(ORDER.indexOf(theme.value) + 1) % ORDER.length]!;
  localStorage.setItem(STORED, theme.value);
  applyTheme();
}
