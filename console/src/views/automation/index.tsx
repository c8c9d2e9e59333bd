import { href, place } from "../../router";
import { Triggers } from "./triggers";
import { Webhooks } from "./webhooks";
import "./automation.css";

const TABS = { triggers: "Triggers", webhooks: "Webhooks" } as const;

/** What happens by itself: triggers that start runs, and webhooks that tell of them. */
export default function AutomationView() {
  const here = place.value.query.get("tab") === "webhooks" ? "webhooks" : "triggers";
  return (
    <>
      <div class="head">
        <h1>Automation</h1>
      </div>
      <nav class="tabs" aria-label="Automation">
        {Object.entries(TABS).map(([tab, title]) => (
          <a key={tab} href={href(["automation"], { tab: tab === "triggers" ? null : tab })} aria-current={tab === here ? "page" : undefined}>
            {title}
          </a>
        ))}
      </nav>
      {here === "triggers" ? <Triggers /> : <Webhooks />}
    </>
  );
}
