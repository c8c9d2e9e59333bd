/** The frame around every view: who is signed in, where one is, and the way elsewhere. */
import { useEffect, useRef } from "preact/hooks";

import { session, signOut } from "./api/session";
import { NamespaceSwitch } from "./namespaces";
import { href, namespace, place } from "./router";
import { SignIn } from "./sign-in";
import { Boundary } from "./ui/Boundary";
import { Button, LinkButton } from "./ui/Button";
import { Icon, type IconName } from "./ui/icons";
import { lazy } from "./ui/lazy";
import { EmptyState } from "./ui/states";
import { nextTheme, theme } from "./ui/theme";
import { complain, Toasts } from "./ui/toasts";
import { useShortcuts } from "./shortcuts";

const ClustersView = lazy(() => import("./views/clusters"));
const DefinitionView = lazy<{ id: string }>(() => import("./views/clusters/definition"));
const CompareView = lazy<{ id: string; before: string; after: string }>(() => import("./views/runs/compare"));
const MapView = lazy<{ id: string }>(() => import("./map"));
const DataView = lazy<{ collection: string | null }>(() => import("./views/data"));
const AutomationView = lazy(() => import("./views/automation"));

const PLACES: readonly { path: string; title: string; icon: IconName }[] = [
  { path: "clusters", title: "Clusters", icon: "clusters" },
  { path: "data", title: "Data", icon: "data" },
  { path: "automation", title: "Automation", icon: "automation" },
];

export function App() {
  useShortcuts();
  const { kind } = session.value;
  if (kind === "unknown") return null;
  if (kind === "none" || place.value.path[0] === "sign-in") return <SignIn />;
  return (
    <div class="frame">
      <a class="skip" href="#main" onClick={focusMain}>
        Skip to the content
      </a>
      <Side />
      <Main />
      <Toasts />
    </div>
  );
}

function focusMain(event: Event): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function Side() {
  const here = place.value.path[0] ?? "clusters";
  return (
    <header class="side">
      <a class="brand" href={href(["clusters"])} aria-label="Coterie">
        <img src="/favicon.svg" alt="" />
        <span>Coterie</span>
      </a>
      <nav aria-label="Main">
        {PLACES.map(({ path, title, icon }) => (
          <a key={path} href={href([path])} aria-current={here === path ? "page" : undefined}>
            <Icon name={icon} />
            {title}
          </a>
        ))}
      </nav>
      <div class="foot">
        <NamespaceSwitch />
        <div class="row tight">
          <ThemeButton />
          <Button kind="quiet" icon="out" label="Sign out" onClick={() => void leave()} />
        </div>
      </div>
    </header>
  );
}

async function leave(): Promise<void> {
  const refused = await signOut();
  if (refused !== null) complain(`You are still signed in. ${refused}`);
}

function ThemeButton() {
  const icon = { system: "half", light: "sun", dark: "moon" } as const;
  return <Button kind="quiet" icon={icon[theme.value]} label={`Colours: ${theme.value}`} onClick={nextTheme} />;
}

/** The view of the address. Its focus follows it there, so that a keyboard or a reader goes on at its beginning. */
function Main() {
  const path = place.value.path.join("/");
  const element = useRef<HTMLElement>(null);
  const first = useRef(true);
  useEffect(() => {
    if (!first.current) element.current?.focus();
    first.current = false;
  }, [path]);
  return (
    <main id="main" tabIndex={-1} ref={element}>
      <Boundary key={`${namespace.value}/${path}`}>
        <View />
      </Boundary>
    </main>
  );
}

function View() {
  const [view = "clusters", id, part, ...rest] = place.value.path;
  if (view === "clusters" && id === undefined) return <ClustersView />;
  if (view === "clusters" && id !== undefined) {
    if (part === undefined) return <DefinitionView id={id} />;
    if (part === "map" && rest.length === 0) return <MapView id={id} />;
    if (part === "compare" && rest.length === 2) return <CompareView id={id} before={rest[0]!} after={rest[1]!} />;
  }
  if (view === "data" && part === undefined) return <DataView collection={id ?? null} />;
  if (view === "automation" && id === undefined) return <AutomationView />;
  return (
    <EmptyState
      title="Nothing is at this address"
      action={<LinkButton href={href(["clusters"])}>All clusters</LinkButton>}
    >
      The link may be of a newer or an older version of the console.
    </EmptyState>
  );
}
