import { place, setQuery } from "../../router";
import { Tabs } from "../../ui/Tabs";
import { useTitle } from "../../ui/title";
import { Triggers } from "./triggers";
import { Webhooks } from "./webhooks";
import "./automation.css";

const TABS = { triggers: "Triggers", webhooks: "Webhooks" } as const;
const CLOSED = { status: null, offset: null, trigger: null, webhook: null, delivery: null, page: null, new: null };

/** What happens by itself: triggers that start runs, and webhooks that tell of them. */
export default function AutomationView() {
  const here = place.value.query.get("tab") === "webhooks" ? "webhooks" : "triggers";
  useTitle(TABS[here]);
  return (
    <>
      <div class="head">
        <h1>Automation</h1>
      </div>
      <Tabs
        label="What is shown"
        tabs={TABS}
        at={here}
        onChange={(tab) => setQuery({ ...CLOSED, tab: tab === "triggers" ? null : tab })}
      />
      {here === "triggers" ? <Triggers /> : <Webhooks />}
    </>
  );
}
