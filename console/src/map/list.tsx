/** The groups as a list: the way to all that the map shows without seeing it. */
import { useState } from "preact/hooks";

import { EmptyState } from "../ui/states";
import { count } from "../ui/texts";
import type { Group } from "./groups";
import type { Scene } from "./scene";

const SHOWN = 200;

export function GroupList({ scene }: { scene: Scene }) {
  const [wanted, setWanted] = useState("");
  const [more, setMore] = useState(1);
  const groups = scene.groups.value;
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  const found = (words.length === 0 ? groups.on(scene.shown.value) : groups.all).filter((group) =>
    matches(group, words),
  );
  const largest = Math.max(1, ...found.map((group) => group.count));
  return (
    <section aria-label="Groups" class="stack tight">
      <input
        type="search"
        placeholder="Find a group"
        aria-label="Find a group by label, id or keyword"
        value={wanted}
        onInput={(event) => setWanted(event.currentTarget.value)}
      />
      {found.length === 0 && (
        <EmptyState title="No group">
          {words.length > 0
            ? "No label, id or keyword has these words."
            : "The run found no groups: all of its documents are in none."}
        </EmptyState>
      )}
      <ul class="groups">
        {found.slice(0, more * SHOWN).map((group) => (
          <li key={group.id}>
            <button
              type="button"
              data-id={group.id}
              onClick={() => scene.choose(group, true)}
              onMouseEnter={() => scene.emphasise(group)}
              onMouseLeave={() => scene.emphasise(null)}
              onFocus={() => scene.emphasise(group)}
              onBlur={() => scene.emphasise(null)}
            >
              <i class="dot" style={{ background: scene.looks.value.near(group) }} />
              <span class="cut">{group.label}</span>
              {group.proposed && <span class="chip">new</span>}
              <span class="num muted">{count(group.count)}</span>
              <i
                class="share"
                style={{ width: `${(100 * group.count) / largest}%`, background: scene.looks.value.near(group) }}
              />
            </button>
          </li>
        ))}
      </ul>
      {found.length > more * SHOWN && (
        <button type="button" class="button" onClick={() => setMore(more + 1)}>
          Show more of {count(found.length)} groups
        </button>
      )}
    </section>
  );
}

function matches({ label, id, keywords }: Group, words: readonly string[]): boolean {
  const text = [label, id, ...keywords].join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}
