import { render } from "preact";

import { resume } from "./api/session";
import { App } from "./app";
import { startRouter } from "./router";
import { applyTheme } from "./ui/theme";
import "./ui/theme.css";

applyTheme();
startRouter();
void resume();
render(<App />, document.getElementById("app")!);
