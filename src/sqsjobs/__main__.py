"""`python -m sqsjobs` is `sqsjobs`."""

from sqsjobs.cli import main

if __name__ == "__main__":
    main()
