"""`python -m coterie`."""

from coterie.cli import app

if __name__ == "__main__":
    app()
