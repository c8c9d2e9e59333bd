"""The web console: its built pages (`static`, made from `console/` by `make console`) and how they are served."""
