import { useState } from "preact/hooks";

import { Dialog } from "../ui/Dialog";
import { Tabs } from "../ui/Tabs";
import { Code } from "../ui/texts";
import { type Asked, asCurl, asPython } from "./code";

const TABS = { curl: "curl", python: "Python", json: "JSON" } as const;

/** The view's request, to copy: as a command, as a script, as its body. */
export function CodeDialog({ asked, onClose }: { asked: Asked; onClose: () => void }) {
  const [tab, setTab] = useState<keyof typeof TABS>("curl");
  const text =
    tab === "curl" ? asCurl(asked) : tab === "python" ? asPython(asked) : JSON.stringify(asked.body, null, 2);
  return (
    <Dialog title="The same request as code" onClose={onClose}>
      <div class="stack tight">
        <Tabs label="Form" tabs={TABS} at={tab} onChange={setTab} />
        <Code label={TABS[tab]} text={text} />
        <p class="small muted">
          Put an API key into the variable <code>COTERIE_API_KEY</code>.
        </p>
      </div>
    </Dialog>
  );
}
